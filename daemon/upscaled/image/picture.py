"""The working form of an image: one convention from decode to encode."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from upscaled.image.metadata import png_chunks
from upscaled.image.metadata.metadata import Metadata

Samples = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Picture:
    """Upright pixels and what travels with them. A stage makes a new one, never changes one.

    Samples are integers of 8 or 16 bits, as the file's are, over the full range of their dtype;
    networks see them as floats from 0 to 1. Colour is encoded (not linear) in the space of `icc`.
    """

    colour: Samples
    """Height × width × 3, in the order red, green, blue; C-contiguous."""
    alpha: Samples | None = None
    """Height × width, same dtype, straight (not premultiplied); None: opaque."""
    gray: bool = False
    """The three channels are equal, and one is to be written."""
    format: str = "PNG"
    """What the source was, as Pillow names it."""
    icc: bytes | None = None
    """A readable profile for RGB, or for gray where `gray`; None: sRGB."""
    colour_space: tuple[png_chunks.Chunk, ...] = ()
    """Chunks of a PNG that say what a profile would."""
    metadata: Metadata = field(default_factory=Metadata)
    is_lossless: bool = False
    """Of a format that can be either, and was stored without loss."""
    notes: tuple[str, ...] = field(default=())
    """What was lost or changed on the way in."""

    @property
    def width_px(self) -> int:
        return int(self.colour.shape[1])

    @property
    def height_px(self) -> int:
        return int(self.colour.shape[0])
