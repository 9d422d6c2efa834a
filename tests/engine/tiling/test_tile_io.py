"""What counts as no picture at all."""

import numpy as np
import pytest
import torch

from upscaled.engine.tiling.tile_io import TileWriter
from upscaled.engine.tiling.tiles import Box

SOURCE = np.linspace(0, 255, 8 * 8 * 3).reshape(8, 8, 3).astype(np.uint8)
DIM = SOURCE // 32


def is_picture(values: torch.Tensor, source: np.ndarray) -> bool:
    target = TileWriter(8, 8, source.dtype)
    target.write(Box(0, 0, 8, 8), values)
    return target.is_picture_of(source)


@pytest.mark.parametrize(("low", "high"), [(-0.4, -0.01), (0.0, 0.001), (1.01, 3.0)])
def test_what_is_one_colour_once_it_is_rounded_is_no_picture(low: float, high: float) -> None:
    values = torch.linspace(low, high, 8 * 8 * 3).view(1, 3, 8, 8)
    assert not is_picture(values, SOURCE)
    assert is_picture(values, DIM)  # which a network may well make black


def test_a_speck_that_the_network_removed_is_no_contrast() -> None:
    page = np.full((64, 64, 3), 255, np.uint8)
    page[5, 7] = 0
    target = TileWriter(64, 64, page.dtype)
    target.write(Box(0, 0, 64, 64), torch.linspace(0.999, 1.2, 64 * 64 * 3).view(1, 3, 64, 64))
    assert target.is_picture_of(page)


def test_a_flat_result_is_a_picture_of_a_flat_source_only() -> None:
    black = torch.zeros(1, 3, 8, 8)
    assert is_picture(black, np.zeros_like(SOURCE))
    assert not is_picture(black, DIM)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_what_is_no_number_is_no_picture(broken: float) -> None:
    values = torch.rand(1, 3, 8, 8)
    assert is_picture(values, SOURCE)
    values[0, 1, 2, 3] = broken
    assert not is_picture(values, np.zeros_like(SOURCE))
