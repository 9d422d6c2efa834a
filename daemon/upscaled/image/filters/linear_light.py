"""Stored values to linear light and back, by the sRGB curve (IEC 61966-2-1).

The curve is Display P3's own, and within 0.02 of Adobe RGB's 2.2; values go back by the curve that
they came by, so that an even area keeps its value in every profile.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from upscaled.image.picture import Samples


def linear(samples: Samples) -> Any:
    """float32 of 0 to 1, the same shape."""
    return _curve(samples.dtype.str)[samples]


@lru_cache(maxsize=4)
def _curve(dtype: str) -> Any:
    most = np.iinfo(np.dtype(dtype)).max
    values = np.arange(most + 1, dtype=np.float64) / most
    light = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


def stored(light: Any, dtype: Any) -> Samples:
    """Full range of `dtype`, rounded; what lies outside of 0 to 1 is cut off."""
    light = np.clip(light, 0, 1)
    values = np.where(
        light <= 0.0031308,
        light * 12.92,
        1.055 * np.power(light, 1 / 2.4, dtype=light.dtype) - 0.055,
    )
    return quantised(values, dtype)


def quantised(values: Any, dtype: Any) -> Samples:
    most = np.iinfo(dtype).max
    samples: Samples = np.rint(np.clip(values, 0, 1) * most).astype(dtype)
    return samples
