"""Hidden colour never reaches an edge, and transparency keeps its shape."""

from typing import Any

import numpy as np
import pytest

from upscaled.image.filters.alpha import bled, enlarged, on_white

Make = Any


def disc(edge_px: int, dtype: Any = np.uint8) -> Any:
    """Coverage of a disc whose edge is a tenth of the image wide, by its formula."""
    place = (np.arange(edge_px) + 0.5) / edge_px - 0.5
    far = np.hypot(place[:, None], place[None])
    rise = np.clip((0.4 - far) / 0.1, 0, 1)
    most = np.iinfo(dtype).max
    return np.rint(most * (0.5 - 0.5 * np.cos(np.pi * rise))).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_hidden_colour_becomes_that_of_the_nearest_visible_pixel(dtype: Any) -> None:
    colour = np.zeros((5, 9, 3), dtype)
    alpha = np.zeros((5, 9), dtype)
    colour[..., 1] = 200
    colour[2, 1], alpha[2, 1] = (9, 0, 1), 1
    colour[2, 7], alpha[2, 7] = (5, 6, 7), 255
    before = colour.copy()
    filled = bled(colour, alpha)
    assert np.array_equal(colour, before)
    assert (filled[:, :4] == (9, 0, 1)).all()
    assert (filled[:, 5:] == (5, 6, 7)).all()


def test_nothing_is_changed_where_all_is_visible_or_nothing_is(make: Make) -> None:
    colour = make.pixels()
    assert bled(colour, np.full((12, 20), 1, np.uint8)) is colour
    assert bled(colour, np.zeros((12, 20), np.uint8)).max() == 0


@pytest.mark.parametrize("seed", range(5))
def test_each_hidden_pixel_gets_a_colour_that_is_seen_no_further_off_than_needed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    alpha = (rng.random((30, 41)) < 0.03).astype(np.uint8) * 255
    alpha[0, 0] = 255
    places = np.argwhere(alpha)
    colour = np.zeros((30, 41, 3), np.uint8)
    colour[tuple(places.T)] = np.c_[places, np.zeros(len(places))]
    filled = bled(colour, alpha)
    for y, x in np.argwhere(alpha == 0):
        taken = np.hypot(*(filled[y, x, :2].astype(int) - (y, x)))
        nearest = np.hypot(*(places - (y, x)).T).min()
        assert taken <= nearest * 1.05 + 0.5


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("scale", [2, 4])
def test_a_rendered_edge_is_within_two_levels_of_its_ideal(dtype: Any, scale: int) -> None:
    larger = enlarged(disc(100, dtype), 100 * scale, 100 * scale).astype(int)
    most = np.iinfo(dtype).max
    assert np.abs(larger - disc(100 * scale, dtype)).max() <= 2 / 255 * most


@pytest.mark.parametrize("value", [1, 128, 254])
def test_the_same_transparency_everywhere_stays_so(value: int) -> None:
    assert (enlarged(np.full((3, 5), value, np.uint8), 20, 12) == value).all()


def test_hard_edges_do_not_ring() -> None:
    alpha = np.zeros((16, 16), np.uint8)
    alpha[:, 8:] = 255
    larger = enlarged(alpha, 64, 64)
    assert (larger[:, :24] == 0).all()
    assert (larger[:, 40:] == 255).all()
    assert (np.diff(larger.astype(int), axis=1) >= 0).all()


def test_white_paper_is_seen_through() -> None:
    colour = np.full((1, 3, 3), 100, np.uint8)
    alpha = np.array([[0, 128, 255]], np.uint8)
    assert on_white(colour, alpha)[0, :, 0].tolist() == [255, 177, 100]
