"""The working form of an image: one convention from decode to encode."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Picture:
    """Upright pixels and what travels with them."""

    colour: Samples
    """Height × width × 3, RGB, full range of the dtype, in the space of `icc` (None: sRGB)."""
    alpha: Samples | None = None
    """Height × width, same dtype, straight (not premultiplied); None: opaque."""
    gray: bool = False
    """The three channels are equal, and one is to be written."""
    format: str = "PNG"
    """What the source was, as Pillow names it."""
    icc: bytes | None = None
    exif: bytes | None = None
    """Without the orientation, which has been applied."""
    dpi: tuple[float, float] | None = None
    notes: tuple[str, ...] = field(default=())
    """What was lost or changed on the way in."""

    @property
    def width_px(self) -> int:
        return int(self.colour.shape[1])

    @property
    def height_px(self) -> int:
        return int(self.colour.shape[0])
