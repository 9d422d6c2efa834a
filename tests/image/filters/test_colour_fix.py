"""Slow colour is the source's, detail is the network's."""

from typing import Any

import numpy as np
import pytest

from upscaled.image.filters import colour_fix as module
from upscaled.image.filters.colour_fix import steady


def source(dtype: Any) -> Any:
    down, right = np.mgrid[0:96, 0:128]
    most = np.iinfo(dtype).max
    waves = (np.sin(right / 30) + np.cos(down / 40)) / 4 + 0.5
    return np.rint(np.dstack([waves, 0.8 * waves + 0.1, 1 - waves]) * 0.8 * most).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_drift_is_taken_back_and_detail_stays(dtype: Any) -> None:
    small = source(dtype)
    step = int(np.iinfo(dtype).max) // 255
    clean = small.repeat(4, axis=0).repeat(4, axis=1).astype(int)
    checks = (np.indices(clean.shape[:2]).sum(axis=0) % 2 * 20 - 10)[..., None] * step
    drift = np.array([6, -4, 3]) * step
    result = np.clip(clean + checks + drift, 0, np.iinfo(dtype).max).astype(dtype)
    steady(small, result)
    fixed = result.astype(int)
    inside = (slice(16, -16), slice(16, -16))
    assert np.abs((fixed - clean - checks)[inside]).mean() < 1.5 * step
    assert np.abs(fixed.mean(axis=(0, 1)) - clean.mean(axis=(0, 1))).max() < 0.5 * step


def test_what_has_not_drifted_is_not_changed() -> None:
    small = source(np.uint8)
    result = small.repeat(2, axis=0).repeat(2, axis=1)
    before = result.copy()
    steady(small, result)
    assert np.array_equal(result, before)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (33, 20)])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_bands_join_without_a_seam(
    size: tuple[int, int], scale: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    small = rng.integers(0, 256, (*size, 3), np.uint8)
    whole = rng.integers(0, 256, (size[0] * scale, size[1] * scale, 3), np.uint8)
    banded = whole.copy()
    steady(small, whole)
    monkeypatch.setattr(module, "_BAND_PX", size[1] * scale * scale * 3)
    steady(small, banded)
    assert np.abs(banded.astype(int) - whole).max() <= 1
