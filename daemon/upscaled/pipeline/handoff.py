"""What one part of a job hands to the next."""

from dataclasses import dataclass, field

from upscaled.image.decode.frames import Frames
from upscaled.image.encode.animation import AnimationTarget
from upscaled.image.picture import Picture
from upscaled.job import Order
from upscaled.outcomes import Timings
from upscaled.pipeline.frame_pipeline import Encoded
from upscaled.pipeline.source_file import SourceFile
from upscaled.pipeline.stages.workflow import PlannedStage, WorkflowOutputs


@dataclass(frozen=True, slots=True)
class Prepared:
    order: Order
    source: SourceFile
    frames: Frames
    timings: Timings

    @property
    def picture(self) -> Picture:
        """The first frame."""
        return self.frames.first


@dataclass(frozen=True, slots=True)
class Upscaled:
    prepared: Prepared
    target: AnimationTarget
    made: Picture | Encoded
    """A stream of frames is encoded as it is made."""
    size_px: tuple[int, int]
    """Width and height of the first frame."""
    scale: float
    timings: Timings
    notes: tuple[str, ...]
    side: WorkflowOutputs = field(default_factory=WorkflowOutputs)


@dataclass(frozen=True, slots=True)
class Opened:
    """What is done to each frame, with its networks loaded."""

    stage: PlannedStage
    side: WorkflowOutputs
