"""What every `Upscaler` keeps: run on the twin and on the real one alike."""

from collections.abc import Callable

import numpy as np
import pytest

from upscaled.errors import StopRequested
from upscaled.pipeline.protocols import Pixels, Upscaler

SIZES_PX = [(1, 1), (1, 7), (5, 1), (13, 21)]
"""Height × width: the smallest, the thinnest, and odd in both."""


def exercise(upscaler: Upscaler) -> None:
    """Raises AssertionError where the contract of `pipeline/protocols.py` is broken."""
    assert upscaler.scale >= 1
    for size in SIZES_PX:
        _keeps_size_and_dtype(upscaler, _gradient(size, np.uint8))
    _keeps_size_and_dtype(upscaler, _gradient((9, 6), np.uint16))
    _uses_the_full_range(upscaler)
    _gives_equal_results_for_equal_pixels(upscaler)
    _stops_when_cancelled(upscaler)
    _keeps_size_and_dtype(upscaler, _gradient((4, 4), np.uint8))  # usable after a stop


def _keeps_size_and_dtype(upscaler: Upscaler, pixels: Pixels) -> None:
    before = pixels.copy()
    seen: list[tuple[int, int]] = []

    result = _upscale(upscaler, pixels, progress=lambda done, total: seen.append((done, total)))

    height, width, channels = pixels.shape
    assert result.shape == (height * upscaler.scale, width * upscaler.scale, channels)
    assert result.dtype == pixels.dtype
    assert not np.shares_memory(result, pixels)
    assert np.array_equal(pixels, before)
    assert seen
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]


def _uses_the_full_range(upscaler: Upscaler) -> None:
    """White stays near white in each dtype: a range mixed up gives black or grey."""
    for dtype in (np.uint8, np.uint16):
        top = np.iinfo(dtype).max
        white = np.full((16, 16, 3), top, dtype)
        assert _upscale(upscaler, white).mean() > 0.9 * top


def _gives_equal_results_for_equal_pixels(upscaler: Upscaler) -> None:
    pixels = _gradient((12, 12), np.uint8)
    assert np.array_equal(_upscale(upscaler, pixels), _upscale(upscaler, pixels.copy()))


def _stops_when_cancelled(upscaler: Upscaler) -> None:
    with pytest.raises(StopRequested):
        _upscale(upscaler, _gradient((40, 40), np.uint8), cancelled=lambda: True)


def _upscale(
    upscaler: Upscaler,
    pixels: Pixels,
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Pixels:
    return upscaler.upscale(pixels, progress=progress, cancelled=cancelled)


def _gradient(size: tuple[int, int], dtype: type[np.uint8 | np.uint16]) -> Pixels:
    height, width = size
    ramp = np.linspace(0, np.iinfo(dtype).max, height * width * 3)
    return ramp.reshape(height, width, 3).astype(dtype)
