"""What one part of a job hands to the next."""

from dataclasses import dataclass, field

from upscaled.image.frames import Frames
from upscaled.image.picture import Picture
from upscaled.image.streams import Target
from upscaled.job import Order, Timings
from upscaled.pipeline.flow import Side, Sized
from upscaled.pipeline.frames import Encoded
from upscaled.pipeline.source import Source


@dataclass(frozen=True, slots=True)
class Prepared:
    order: Order
    source: Source
    frames: Frames
    timings: Timings

    @property
    def picture(self) -> Picture:
        """The first frame."""
        return self.frames.first


@dataclass(frozen=True, slots=True)
class Upscaled:
    prepared: Prepared
    target: Target
    made: Picture | Encoded
    """A stream of frames is encoded as it is made."""
    size_px: tuple[int, int]
    """Width and height of the first frame."""
    scale: float
    timings: Timings
    notes: tuple[str, ...]
    side: Side = field(default_factory=Side)


@dataclass(frozen=True, slots=True)
class Opened:
    """What is done to each frame, with its networks loaded."""

    stage: Sized
    side: Side
