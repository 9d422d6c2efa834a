"""The seams of a job: what is done to one picture, and the network that may do it.

A job streams frames: a photograph is a stream of one, an animation of its composed frames, a TIFF
of its pages. Stages see one `Picture` at a time and keep nothing of it, so that memory does not
grow with the number of frames; what a frame becomes depends on that frame alone.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from upscaled.image.picture import Picture

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
