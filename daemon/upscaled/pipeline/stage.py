"""The seam between a job and the network that upscales it."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
"""Height × width × 3, RGB, full range of the dtype."""

Progress = Callable[[int, int], None]
"""Called with (units done, units in all); units are the upscaler's own, they only grow."""


class Upscaler(Protocol):
    """A resident network. Twin in memory: `tests/fakes.py`; contract: `tests/contracts`."""

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
