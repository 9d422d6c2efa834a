"""The same contracts on a CUDA device; they run wherever there is one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from upscaled.engine import device_memory
from upscaled.engine.tiling import exact_run
from upscaled.engine.upscaler import TorchUpscaler, open_upscaler
from upscaled.pipeline.protocols import Pixels

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]

Maker = Callable[[str], Path]
Upscale = Callable[[TorchUpscaler, Pixels], Pixels]


def test_auto_takes_the_gpu_in_fp16(network_file: Maker) -> None:
    upscaler = open_upscaler(network_file("x4"))
    assert upscaler.device == "cuda:0"
    assert upscaler.precision == "fp16"


@pytest.mark.parametrize("kind", ["x1", "x2", "x4", "x8", "compact", "span"])
def test_tiles_agree_within_one_grey_level(
    kind: str, network_file: Maker, picture: Callable[..., Pixels], upscale: Upscale
) -> None:
    """Kernels of cuDNN may add up in another order for another shape, unlike the CPU kernels."""
    pixels = picture(211, 173)
    whole = upscale(open_upscaler(network_file(kind), tile_px=10_000), pixels)
    for tile_px in (64, 96, 128, None):
        tiled = upscale(open_upscaler(network_file(kind), tile_px=tile_px), pixels)
        assert np.abs(tiled.astype(int) - whole).max() <= 1


def test_fp16_is_within_60_db_of_fp32(
    x4plus_file: Path, picture: Callable[..., Pixels], upscale: Upscale
) -> None:
    pixels = picture(128, 160)
    half = upscale(open_upscaler(x4plus_file, precision="fp16"), pixels).astype(float)
    full = upscale(open_upscaler(x4plus_file, precision="fp32"), pixels)
    assert 10 * np.log10(255**2 / ((half - full) ** 2).mean()) >= 60


def test_feature_maps_streamed_from_the_host_give_the_same_picture(
    network_file: Maker,
    picture: Callable[..., Pixels],
    upscale: Upscale,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pixels = picture(211, 173)
    expected = upscale(open_upscaler(network_file("x4"), tile_px=96), pixels)
    monkeypatch.setattr(exact_run, "maps_place", lambda *_: "host")
    assert np.array_equal(upscale(open_upscaler(network_file("x4"), tile_px=96), pixels), expected)


def test_a_ceiling_is_learned_from_a_real_lack_of_memory(
    network_file: Maker,
    picture: Callable[..., Pixels],
    upscale: Upscale,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pixels = picture(900, 1200)
    expected = upscale(open_upscaler(network_file("x4")), pixels)
    upscaler = open_upscaler(network_file("x4"))
    free, total = torch.cuda.mem_get_info()
    monkeypatch.setattr(
        device_memory.Room, "now", lambda *_: device_memory.Room(free, free)
    )  # it believes that all is free
    torch.cuda.empty_cache()
    maps_bytes = 3 * 64 * 2 * 900 * 1200
    torch.cuda.set_per_process_memory_fraction(
        (torch.cuda.memory_allocated() + maps_bytes + (96 << 20)) / total
    )
    try:
        assert np.abs(upscale(upscaler, pixels).astype(int) - expected).max() <= 1
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert upscaler.learned()["cuda:0/ESRGAN/fp16"]["ceiling"]
