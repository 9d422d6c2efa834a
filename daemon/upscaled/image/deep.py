"""Colour in 16 bits, which Pillow would cut to 8 without a word: OpenCV reads it."""

from typing import Any

import cv2
import numpy as np
from PIL import Image

from upscaled.errors import UnsupportedImage
from upscaled.image.picture import Samples
from upscaled.image.planes import Planes

_BITS_PER_SAMPLE = 258
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# What is wrong with a file is told once, by the exception.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def is_deep(content: bytes, image: Image.Image) -> bool:
    """Whether it holds colour in 16 bits."""
    if content.startswith(_PNG_SIGNATURE):
        depth, kind = content[24], content[25]
        return depth == 16 and kind in (2, 4, 6)
    if content.startswith(_TIFF_SIGNATURES):
        bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,))
        return len(bits) > 1 and max(bits) == 16
    return False


def turns_upright(content: bytes) -> bool:
    """OpenCV turns a TIFF upright whatever it is told (TiffDecoder::readData)."""
    return content.startswith(_TIFF_SIGNATURES)


def deep_planes(content: bytes, icc: bytes | None) -> Planes:
    """The first frame of a file that `is_deep`.

    Raises:
        UnsupportedImage: samples of a kind that is not handled.
        ValueError, cv2.error: OpenCV cannot read it.
    """
    samples: Any = cv2.imdecode(
        np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    )
    if samples is None:
        raise ValueError("OpenCV cannot read its 16-bit samples")
    if samples.dtype != np.uint16:
        raise UnsupportedImage(f"samples of type {samples.dtype} are not handled")
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    if channels not in (3, 4):
        raise UnsupportedImage(f"{channels} channels of 16 bits are not handled")
    gray = content.startswith(_PNG_SIGNATURE) and content[25] in (0, 4)
    alpha: Samples | None = np.ascontiguousarray(samples[..., 3]) if channels == 4 else None
    return Planes(np.ascontiguousarray(samples[..., 2::-1]), alpha, gray=gray, icc=icc)
