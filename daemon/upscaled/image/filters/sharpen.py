"""Unsharp mask as light adds up, without halos and without coloured fringes.

The difference to a blurred copy is taken of the luminance (ITU-R BT.709 weights) in linear light,
and added to all three channels alike. A halo is where that goes beyond what stands around the
pixel: the result is kept between the darkest and the brightest neighbour.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from upscaled.image.filters.banded import in_rows
from upscaled.image.filters.linear_light import linear, stored
from upscaled.image.picture import Picture, Samples

_WEIGHTS = np.array([0.2126, 0.7152, 0.0722], np.float32)
_REACH = 3.0
"""Of the blur, in radii: what lies beyond weighs under 1 %."""


def sharpen(
    picture: Picture,
    *,
    radius_px: float,
    amount: float,
    threshold: float,
    progress: Callable[[int, int], None],
    cancelled: Callable[[], bool],
) -> Picture:
    """Same size and depth. `threshold` is in levels of 255: smaller differences are left alone,
    and it fades in over the next as many.

    Raises: Interrupted: `cancelled` said so.
    """
    if amount == 0:
        return picture
    alpha = picture.alpha
    halo_px = math.ceil(radius_px * _REACH) + _near_px(radius_px) + 1

    def work(rows: Samples, top: int, bottom: int) -> Samples:
        light = linear(rows)
        weight = None if alpha is None else _share(alpha[top:bottom])
        luma = light @ _WEIGHTS
        wished = luma + amount * _detail(luma, weight, radius_px, threshold)
        added = _without_halo(luma, wished, radius_px) - luma
        return stored(light + added[..., None], rows.dtype)

    colour = in_rows(picture.colour, halo_px, work, progress=progress, cancelled=cancelled)
    return replace(picture, colour=colour)


def _share(alpha: Samples) -> Any:
    return alpha.astype(np.float32) / np.iinfo(alpha.dtype).max


def _detail(luma: Any, weight: Any, radius_px: float, threshold: float) -> Any:
    """What the blur takes away, where it is worth sharpening: float32, linear light."""
    blurred = _blurred(luma, weight, radius_px)
    if threshold == 0:
        return luma - blurred
    # As the eye sees it: a step of one level is larger in bright parts than in dark ones.
    seen = np.abs(_curved(luma) - _curved(blurred)) * 255
    return (luma - blurred) * np.clip((seen - threshold) / threshold, 0, 1)


def _without_halo(luma: Any, wished: Any, radius_px: float) -> Any:
    size = 2 * _near_px(radius_px) + 1
    kernel = np.ones((size, size), np.uint8)
    return np.clip(wished, cv2.erode(luma, kernel), cv2.dilate(luma, kernel))


def _near_px(radius_px: float) -> int:
    return max(math.ceil(radius_px), 1)


def _blurred(luma: Any, weight: Any, radius_px: float) -> Any:
    size = 2 * math.ceil(radius_px * _REACH) + 1

    def blur(plane: Any) -> Any:
        return cv2.GaussianBlur(plane, (size, size), radius_px, borderType=cv2.BORDER_REPLICATE)

    if weight is None:
        return blur(luma)
    # What is transparent has no say in what is seen.
    shares = blur(weight)
    return np.where(shares > 0, blur(luma * weight) / np.where(shares > 0, shares, 1), luma)


def _curved(light: Any) -> Any:
    return np.cbrt(np.clip(light, 0, 1))
