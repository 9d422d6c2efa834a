"""What Pillow has opened, as planes of samples: every mode, depth and kind of transparency."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from upscaled.errors import UnsupportedImage
from upscaled.image.decode.colour import fitting, to_srgb
from upscaled.image.picture import Samples

_BITS, _SAMPLE_FORMAT = 258, 339
_SIGNED = 2


@dataclass(frozen=True, slots=True)
class Planes:
    """The pixels of one frame as they are stored; see `picture.Picture`."""

    colour: Samples
    alpha: Samples | None = None
    gray: bool = False
    icc: bytes | None = None
    notes: tuple[str, ...] = ()
    is_upright: bool = False
    """The reader has applied the orientation already."""


def planes_of(image: Image.Image) -> Planes:
    """The current frame of `image`, with its own colour profile.

    Raises:
        UnsupportedImage: samples of a kind that is not handled.
        OSError, ValueError: Pillow cannot read it.
    """
    image.load()
    # Pillow turns a TIFF while it loads it; HEIF and JPEG XL say that EXIF is not to be asked.
    return replace(_planes(image), is_upright=image.format in ("TIFF", "HEIF", "JXL"))


def checked(planes: Planes) -> Planes:
    """Without transparency that hides nothing, and without a profile that is not of its colours."""
    if planes.alpha is not None and bool((planes.alpha == np.iinfo(planes.alpha.dtype).max).all()):
        planes = replace(planes, alpha=None)
    icc, notes = fitting(planes.icc, gray=planes.gray)
    return replace(planes, icc=icc, notes=planes.notes + notes)


def _planes(image: Image.Image) -> Planes:
    icc = image.info.get("icc_profile") or None
    mode, clear = image.mode, "transparency" in image.info
    if mode in ("LA", "La") or (mode in ("1", "L") and clear):
        gray, alpha = _split(np.array(image.convert("LA")))
        return Planes(three(gray[..., 0]), alpha, gray=True, icc=icc)
    if mode in ("1", "L"):
        return Planes(three(np.asarray(image.convert("L"))), gray=True, icc=icc)
    if mode.startswith(("I", "F")):
        return _deep_gray(image, icc)
    if mode in ("P", "PA", "RGBA", "RGBa") or clear:
        colour, alpha = _split(np.array(image.convert("RGBA")))
        is_gray = mode in ("P", "PA") and _is_gray(colour)
        return Planes(colour, alpha, gray=is_gray, icc=icc)
    if mode in ("RGB", "RGBX"):
        return Planes(np.array(image.convert("RGB")), icc=icc)
    rgb, icc, notes = to_srgb(image, icc)
    return Planes(np.array(rgb), icc=icc, notes=notes)


def _deep_gray(image: Image.Image, icc: bytes | None) -> Planes:
    samples: Any = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    if image.mode == "I":
        # The depth is what the file says, not what its values happen to be.
        if image.format == "TIFF" and max(tags.get(_BITS, (16,))) == 32:
            signed = _SIGNED in tags.get(_SAMPLE_FORMAT, (1,))
            samples = samples if signed else samples.view(np.uint32)
        elif image.format == "FITS":
            pass
        else:
            # PGM and 16-bit files of other formats: Pillow scales them to 16 bits in 32.
            samples = np.clip(samples, 0, 65535).astype(np.uint16)
    plane, notes = sixteen_bits(samples)
    alpha = None
    if isinstance(clear := image.info.get("transparency"), int):
        alpha = np.where(plane == clear, 0, 65535).astype(np.uint16)
    return Planes(three(plane), alpha, gray=True, icc=icc, notes=notes)


def sixteen_bits(samples: Any) -> tuple[Samples, tuple[str, ...]]:
    """Integers of their dtype's full range, and floats of 0 to 1, in at most 16 bits.

    Raises:
        UnsupportedImage: samples that are no numbers of these kinds.
    """
    if samples.dtype.kind == "u" and samples.dtype.itemsize <= 2:
        return samples.astype(samples.dtype.newbyteorder("="), copy=False), ()
    if samples.dtype.kind == "f":
        whole = np.nan_to_num(samples.astype(np.float64), nan=0.0)
        told = f"{samples.dtype.itemsize * 8}-bit float samples became 16-bit integers"
        if float(whole.min()) < 0 or float(whole.max()) > 1:
            told += ", cut to the range from 0 to 1"
        return np.rint(np.clip(whole, 0, 1) * 65535).astype(np.uint16), (told,)
    if samples.dtype.kind not in "iu":
        raise UnsupportedImage(f"samples of type {samples.dtype} are not handled")
    if samples.dtype.kind == "i":
        # What is below zero has no colour.
        samples = np.maximum(samples, 0)
        lost = samples.dtype.itemsize * 8 - 1
        whole = samples.astype(np.float64) * (65535 / (2**lost - 1))
        return np.rint(whole).astype(np.uint16), ("signed samples became unsigned",)
    whole = samples >> np.uint64(samples.dtype.itemsize * 8 - 16).astype(samples.dtype)
    bits = samples.dtype.itemsize * 8
    return whole.astype(np.uint16), (f"{bits}-bit samples became 16-bit ones",)


def three(plane: Samples) -> Samples:
    """One channel as three equal ones."""
    return np.ascontiguousarray(np.repeat(plane[..., None], 3, axis=2))


def _is_gray(colour: Samples) -> bool:
    first = colour[..., :1]
    return bool((colour[..., 1:] == first).all())


def _split(samples: Any) -> tuple[Samples, Samples]:
    """The last channel is transparency."""
    return np.ascontiguousarray(samples[..., :-1]), np.ascontiguousarray(samples[..., -1])
