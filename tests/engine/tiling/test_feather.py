"""Feathered tiles that run out of memory: once for each size, remembered, and tried again."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from upscaled.engine.upscaler import TorchUpscaler, open_upscaler
from upscaled.pipeline.protocols import Pixels

pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid")  # spandrel's own call of SwinIR
MOST_PX = 150 * 150


def test_a_tile_that_does_not_fit_is_met_once_and_remembered(
    network_file: Callable[[str], Path],
    picture: Callable[..., Pixels],
    upscale: Callable[..., Pixels],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures: list[int] = []
    whole = TorchUpscaler._call

    def call(self: TorchUpscaler, tile: torch.Tensor) -> torch.Tensor:
        if tile.shape[2] * tile.shape[3] > MOST_PX:
            failures.append(tile.shape[2] * tile.shape[3])
            raise MemoryError
        return whole(self, tile)

    pixels = picture(200, 600)
    first = open_upscaler(network_file("swinir"), device="cpu", precision="fp32")
    expected = upscale(first, pixels)
    monkeypatch.setattr(TorchUpscaler, "_call", call)
    result = upscale(first, pixels)
    assert np.abs(result.astype(float) - expected).mean() < 2
    assert failures == sorted(failures, reverse=True)
    assert len(failures) == len(set(failures))

    learned = first.learned()
    failures.clear()
    second = open_upscaler(network_file("swinir"), device="cpu", precision="fp32", learned=learned)
    upscale(second, pixels)
    assert not failures
    before, after = (
        known["cpu/SwinIR/fp32/feathered"]["ceiling"] for known in (learned, second.learned())
    )
    assert before < after < 1.5 * before
