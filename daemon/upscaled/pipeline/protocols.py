"""The seams of a job: what is done to one picture, and the network that may do it.

A job streams frames: a photograph is a stream of one, an animation of its composed frames, a TIFF
of its pages. Stages see one `Picture` at a time and keep nothing of it, so that memory does not
grow with the number of frames; what a frame becomes depends on that frame alone.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from upscaled.image.decode.decode import Expect, expect_any
from upscaled.image.decode.frames import Frame, Frames
from upscaled.image.picture import Picture
from upscaled.job import ImageInfo, MountIdentity, Order
from upscaled.outcomes import Duplicate, Result

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
"""Height × width × 3, RGB, full range of the dtype."""

Progress = Callable[[int, int], None]
"""Called with (units done, units in all); units are the upscaler's own, they only grow."""


class Stage(Protocol):
    """One picture to the next; `pipeline.upscaling.Upscaling` is the one there is."""

    def __call__(
        self, picture: Picture, *, progress: Progress, cancelled: Callable[[], bool]
    ) -> Picture:
        """A new picture with all that travels with it; `picture` stays as it is.

        Raises:
            UpscaledError: as its parts say; it is the outcome of the whole job.
        """
        ...


class Upscaler(Protocol):
    """A resident network. Twin in memory: `tests/support/fakes.py`; contract: `tests/contracts`."""

    @property
    def scale(self) -> int:
        """Output pixels for each input pixel, along one edge; at least 1."""
        ...

    def upscale(
        self, pixels: Pixels, *, progress: Progress, cancelled: Callable[[], bool]
    ) -> Pixels:
        """A new array of `scale` × the size and the same dtype; `pixels` stays as it is.

        Any size from 1×1 on. `cancelled` is asked between tiles.

        Raises:
            Interrupted: `cancelled` said so.
            OutOfMemory: not even the smallest tile fits.
            DeviceLost: the device needs a new process.
            BadResult: the network's answer is no picture, in fp32 too.
        """
        ...


class Ledger(Protocol):
    """What a job has to ask of, and tell to, the queue while it runs."""

    def describe(self, job_id: int, image_info: ImageInfo) -> str | None:
        """Why the rule does not take such a picture; None: it does."""
        ...

    def identify(self, job_id: int, content_sha256: str) -> Duplicate | None:
        """An earlier result of the same bytes by the same rule and recipe."""
        ...

    def announce(self, job_id: int, result: Result) -> None:
        """Committed when this returns: the file that is about to get this name is the job's."""
        ...

    def found(self, folder: Path, mount_identity: MountIdentity) -> None:
        """What an output folder lies on, where it is news."""
        ...


class DecodeLimits(Protocol):
    """Limits the time and memory of decoding inside its context."""

    def over(self, order: Order, size_bytes: int) -> AbstractContextManager[Expect]:
        """While bytes of this job are decoded; what it gives is told of each frame to come."""
        ...


class NoDecodeLimits:
    """None: for a caller that limits them from outside."""

    def over(
        self,
        order: Order,  # noqa: ARG002 (the seam)
        size_bytes: int,  # noqa: ARG002 (the seam)
    ) -> AbstractContextManager[Expect]:
        return nullcontext(expect_any)


def limited(frames: Frames, order: Order, guard: DecodeLimits) -> Iterator[Frame]:
    """The frames, with limits while they are decoded but not while they are worked on."""
    stream = iter(frames)
    for width_px, height_px in frames.sizes_px:
        with guard.over(order, len(frames.content)) as expect:
            expect(width_px * height_px)
            frame = next(stream, None)
        if frame is None:
            return
        yield frame
