"""What Pillow has opened, as planes of samples: every mode, depth and kind of transparency."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from upscaled.errors import UnsupportedImage
from upscaled.image.colour import to_srgb
from upscaled.image.picture import Samples


@dataclass(frozen=True, slots=True)
class Planes:
    """The pixels of one frame as they are stored, not turned upright; see `picture.Picture`."""

    colour: Samples
    alpha: Samples | None = None
    gray: bool = False
    icc: bytes | None = None
    notes: tuple[str, ...] = ()


def planes_of(image: Image.Image) -> Planes:
    """The current frame of `image`, with its own colour profile.

    Raises:
        UnsupportedImage: samples of a kind that is not handled.
        OSError, ValueError: Pillow cannot read it.
    """
    image.load()
    planes = _planes(image)
    if planes.alpha is not None and bool((planes.alpha == _most(planes.alpha)).all()):
        planes = replace(planes, alpha=None)
    return planes


def _planes(image: Image.Image) -> Planes:
    icc = image.info.get("icc_profile") or None
    mode, clear = image.mode, "transparency" in image.info
    if mode in ("LA", "La") or (mode in ("1", "L") and clear):
        gray, alpha = _split(np.array(image.convert("LA")))
        return Planes(three(gray[..., 0]), alpha, gray=True, icc=icc)
    if mode in ("1", "L"):
        return Planes(three(np.asarray(image.convert("L"))), gray=True, icc=icc)
    if mode.startswith("I"):
        return Planes(three(_integers(image)), gray=True, icc=icc)
    if mode in ("P", "PA", "RGBA", "RGBa") or clear:
        colour, alpha = _split(np.array(image.convert("RGBA")))
        return Planes(colour, alpha, icc=icc)
    if mode == "F":
        raise UnsupportedImage("32-bit float samples are not handled")
    if mode == "RGB":
        return Planes(np.array(image), icc=icc)
    rgb, icc, notes = to_srgb(image, icc)
    return Planes(np.array(rgb), icc=icc, notes=notes)


def _integers(image: Image.Image) -> Samples:
    # Mode I is what Pillow gives for 16-bit gray in some formats.
    plane: Samples = np.clip(np.asarray(image, dtype=np.int64), 0, 65535).astype(np.uint16)
    return plane


def three(plane: Samples) -> Samples:
    """One channel as three equal ones."""
    return np.ascontiguousarray(np.repeat(plane[..., None], 3, axis=2))


def _split(samples: Any) -> tuple[Samples, Samples]:
    """The last channel is transparency."""
    return np.ascontiguousarray(samples[..., :-1]), np.ascontiguousarray(samples[..., -1])


def _most(samples: Samples) -> int:
    return int(np.iinfo(samples.dtype).max)
