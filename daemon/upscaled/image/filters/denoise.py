"""Noise away by non-local means (Buades, Coll, Morel 2005), as OpenCV does it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from upscaled.image.filters.banded import in_rows
from upscaled.image.picture import Picture, Samples

_PATCH_PX = 7
_SEARCH_PX = 21
_HALO_PX = _PATCH_PX // 2 + _SEARCH_PX // 2 + 1
_MOST_LEVELS = 12.0
"""OpenCV's `h` at strength 1: above it, skin and foliage turn to plastic."""


def denoise(
    picture: Picture,
    *,
    strength: float,
    progress: Callable[[int, int], None],
    cancelled: Callable[[], bool],
) -> Picture:
    """Same size and depth; `strength` 0 to 1.

    Raises: Interrupted: `cancelled` said so.
    """
    if strength == 0:
        return picture
    levels = strength * _MOST_LEVELS
    source: Any = picture.colour[..., :1] if picture.gray else picture.colour
    colour: Any = in_rows(
        source,
        _HALO_PX,
        lambda rows, _top, _bottom: _means(rows, levels),
        progress=progress,
        cancelled=cancelled,
    )
    if picture.gray:
        colour = np.repeat(colour, 3, axis=2)
    return replace(picture, colour=colour)


def _means(source: Samples, levels: float) -> Samples:
    """`source`: height × width × 1 or 3."""
    quieter: Any
    rows: Any = np.ascontiguousarray(source)
    if rows.dtype == np.uint16:
        # Only this form takes 16 bits; it weighs by the sum of differences, not of their squares.
        quieter = cv2.fastNlMeansDenoising(
            rows,
            [levels * 257],
            templateWindowSize=_PATCH_PX,
            searchWindowSize=_SEARCH_PX,
            normType=cv2.NORM_L1,
        )
    elif rows.shape[2] == 1:
        quieter = cv2.fastNlMeansDenoising(rows, None, levels, _PATCH_PX, _SEARCH_PX)
    else:
        # In Lab: noise of colour and of brightness are told apart.
        quieter = cv2.fastNlMeansDenoisingColored(rows, None, levels, levels, _PATCH_PX, _SEARCH_PX)
    result: Samples = quieter.reshape(rows.shape)
    return result
