"""Pictures are made smaller as light adds up."""

from typing import Any

import numpy as np
import pytest

from upscaled.image.filters import resize
from upscaled.image.filters.resize import shrink
from upscaled.image.metadata.metadata import Metadata
from upscaled.image.picture import Picture

WORDS = Metadata(dpi=(72, 72))


def picture(colour: Any, alpha: Any = None, *, gray: bool = False) -> Picture:
    return Picture(np.ascontiguousarray(colour), alpha, gray=gray, icc=b"icc", metadata=WORDS)


def plane(value: Any, height: int = 32, width: int = 48, dtype: Any = np.uint8) -> Any:
    return np.full((height, width, 3), value, dtype)


def test_stripes_of_black_and_white_become_half_the_light_not_half_the_number() -> None:
    stripes = plane(0)
    stripes[::2] = 255
    smaller = shrink(picture(stripes), 24, 16)
    # (0 + 1) / 2 of the light is 188 on the sRGB curve.
    assert np.abs(smaller.colour[2:-2].astype(int) - 188).max() <= 1
    assert (smaller.icc, smaller.metadata) == (b"icc", WORDS)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_even_area_keeps_every_value(dtype: Any) -> None:
    most = int(np.iinfo(dtype).max)
    for value in {0, 1, 7, most // 3, most - 1, most}:
        smaller = shrink(picture(plane((value, 0, most - value), dtype=dtype)), 31, 20).colour
        assert smaller.dtype == dtype
        assert (smaller == np.array([value, 0, most - value])).all()


def test_sixteen_bits_keep_their_levels() -> None:
    ramp = np.linspace(0, 65_535, 20_000).astype(np.uint16)
    colour = np.repeat(np.tile(ramp, (4, 1))[..., None], 3, axis=2)
    smaller = shrink(picture(colour), 15_000, 3)
    assert len(np.unique(smaller.colour)) > 14_000


def test_hidden_colour_does_not_bleed_and_alpha_stays_straight() -> None:
    colour, alpha = plane((0, 255, 0)), np.zeros((32, 48), np.uint8)
    colour[:, :25] = (255, 0, 0)
    alpha[:, :25] = 255
    smaller = shrink(picture(colour, alpha), 24, 16)
    seen = smaller.colour[smaller.alpha > 0]
    assert seen[:, 1].max() == 0
    assert seen[:, 0].min() == 255
    assert {0, 255} < set(np.unique(smaller.alpha))


def test_gray_stays_gray() -> None:
    rng = np.random.default_rng(1)
    noise = np.repeat(rng.integers(0, 256, (30, 30, 1), np.uint8), 3, axis=2)
    smaller = shrink(picture(noise, gray=True), 10, 10)
    assert smaller.gray
    assert (smaller.colour == smaller.colour[..., :1]).all()


@pytest.mark.parametrize("size", [(31, 20), (48, 7), (5, 32), (1, 1)])
def test_bands_join_without_a_seam(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    colour = rng.integers(0, 256, (32, 48, 3), np.uint8)
    alpha = rng.integers(0, 256, (32, 48), np.uint8)
    whole = shrink(picture(colour, alpha), *size)
    monkeypatch.setattr(resize, "_BAND_SAMPLES", 1)
    banded = shrink(picture(colour, alpha), *size)
    # The filter's weights are rounded to where a band begins.
    assert np.abs(whole.colour.astype(int) - banded.colour).max() <= 1
    assert np.abs(whole.alpha.astype(int) - banded.alpha).max() <= 1
