"""A picture through a network, whatever it is made of: gray, transparency, 8 or 16 bits."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from upscaled.errors import BadResult
from upscaled.image.picture import Picture, Samples
from upscaled.pipeline.stage import Progress, Upscaler


def enlarge(
    picture: Picture, upscaler: Upscaler, *, progress: Progress, cancelled: Callable[[], bool]
) -> Picture:
    """`picture`, larger by the scale of `upscaler`; one frame, whatever it came from.

    Raises:
        Interrupted, OutOfMemory, DeviceLost, BadResult: as `Upscaler.upscale` says.
    """
    scale = upscaler.scale
    colour = upscaler.upscale(picture.colour, progress=progress, cancelled=cancelled)
    expected = (picture.height_px * scale, picture.width_px * scale, 3)
    if colour.shape != expected or colour.dtype != picture.colour.dtype:
        raise BadResult(f"the network gave {colour.shape} {colour.dtype}, not {expected}")
    if picture.gray:
        # Three equal channels went in; what comes out may differ by a tint that is not there.
        mean = np.rint(colour.mean(axis=2, dtype=np.float32)).astype(colour.dtype)
        colour = np.repeat(mean[..., None], 3, axis=2)
    alpha = None if picture.alpha is None else _enlarge(picture.alpha, scale)
    return replace(picture, colour=colour, alpha=alpha)


def _enlarge(alpha: Samples, scale: int) -> Samples:
    height, width = alpha.shape
    size = width * scale, height * scale
    resized: Any = cv2.resize(alpha, size, interpolation=cv2.INTER_CUBIC)
    larger: Samples = resized.astype(alpha.dtype)
    return larger
