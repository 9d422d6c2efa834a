"""No tile size changes the picture, whatever its shape; and it is spandrel's own picture."""

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from spandrel import ModelLoader

from upscaled.engine.device import cpu_has_bf16
from upscaled.engine.plans.plan import Exactness
from upscaled.engine.upscaler import TorchUpscaler, open_upscaler
from upscaled.pipeline.protocols import Pixels

EXACT = ["x1", "x2", "x4", "x8", "plus", "compact", "compact-x2", "span"]
TILES_PX = [64, 96, 128, 200]
WHOLE_PX = 10_000
PHOTO = Path(__file__).parents[1] / "data" / "astronaut.png"
SIZES_PX = [(1, 1), (2, 3), (33, 300), (133, 117), (150, 41)]
"""Height × width; the first two are smaller than any halo."""

Maker = Callable[[str], Path]
Upscale = Callable[[TorchUpscaler, Pixels], Pixels]
needs_bf16 = pytest.mark.skipif(not cpu_has_bf16(), reason="this CPU has no bf16 instructions")


@needs_bf16
@pytest.mark.parametrize("kind", EXACT)
def test_any_tile_gives_the_same_bits_in_bf16(
    kind: str, network_file: Maker, picture: Callable[..., Pixels], upscale: Upscale
) -> None:
    whole = _opened(network_file(kind), "bf16", WHOLE_PX)
    assert whole.exactness is Exactness.EXACT
    tiled = {tile: _opened(network_file(kind), "bf16", tile) for tile in (*TILES_PX, 24, None)}
    for height, width in SIZES_PX:
        pixels = picture(height, width)
        expected = upscale(whole, pixels)
        assert expected.shape == (height * whole.scale, width * whole.scale, 3)
        assert height * width < 100 or expected.std() > 8  # a picture, not one colour
        for tile_px, upscaler in tiled.items():
            assert np.array_equal(upscale(upscaler, pixels), expected), (height, width, tile_px)


@pytest.mark.parametrize("kind", EXACT)
def test_any_tile_gives_the_same_picture_in_fp32(
    kind: str, network_file: Maker, picture: Callable[..., Pixels], upscale: Upscale
) -> None:
    """1e-5 before rounding is two thirds of a step in 16 bit, so one step may differ."""
    for height, width in [(2, 3), (133, 117)]:
        pixels = picture(height, width, np.uint16)
        expected = upscale(_opened(network_file(kind), "fp32", WHOLE_PX), pixels)
        for tile_px in (64, None):
            tiled = upscale(_opened(network_file(kind), "fp32", tile_px), pixels)
            assert _furthest(tiled, expected) <= 1, (height, width, tile_px)


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("size", [(4, 7), (70, 90)])
def test_fp32_is_what_spandrel_gives_for_the_whole_picture(
    kind: str,
    size: tuple[int, int],
    network_file: Maker,
    picture: Callable[..., Pixels],
    upscale: Upscale,
) -> None:
    pixels = picture(*size, np.uint16)
    ours = upscale(_opened(network_file(kind), "fp32", 64), pixels)
    assert _furthest(ours, _of_spandrel(network_file(kind), pixels)) <= 2


@pytest.mark.filterwarnings("ignore:torch.meshgrid")  # spandrel's own call of SwinIR
def test_a_network_without_an_exact_plan_is_feathered_and_says_so(
    network_file: Maker, picture: Callable[..., Pixels], upscale: Upscale
) -> None:
    upscaler = _opened(network_file("swinir"), "fp32", 64)
    assert upscaler.exactness is Exactness.FEATHERED
    pixels = picture(150, 171)

    ours = upscale(upscaler, pixels)

    whole = _of_spandrel(network_file("swinir"), pixels)
    assert ours.shape == whole.shape
    error = ours.astype(float) - whole
    assert 10 * np.log10(255**2 / (error**2).mean()) > 40
    assert np.array_equal(ours, upscale(upscaler, pixels))


@needs_bf16
@pytest.mark.filterwarnings("ignore:torch.meshgrid")
def test_a_network_whose_code_does_not_take_the_precision_is_done_in_fp32(
    network_file: Maker, picture: Callable[..., Pixels], upscale: Upscale
) -> None:
    pixels = picture(40, 50)
    upscaler = open_upscaler(network_file("swinir"), device="cpu")
    expected = upscale(_opened(network_file("swinir"), "fp32", None), pixels)
    assert np.array_equal(upscale(upscaler, pixels), expected)
    assert upscaler.notes == ("bf16 gives no picture on cpu: done in fp32",)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (65, 5)])
def test_feathering_takes_any_size(
    size: tuple[int, int], network_file: Maker, picture: Callable[..., Pixels], upscale: Upscale
) -> None:
    result = upscale(_opened(network_file("swinir"), "fp32", None), picture(*size))
    assert result.shape == (size[0] * 2, size[1] * 2, 3)


@needs_bf16
@pytest.mark.parametrize("content", ["photograph", "synthetic"])
def test_the_real_network_in_bf16_is_within_54_db_of_fp32(
    content: str, x4plus_file: Path, picture: Callable[..., Pixels], upscale: Upscale
) -> None:
    with Image.open(PHOTO) as photo:
        face = np.asarray(photo.convert("RGB"))[80:128, 190:254]
    pixels = face if content == "photograph" else picture(48, 64)
    bf16 = upscale(open_upscaler(x4plus_file, precision="bf16"), pixels).astype(float)
    fp32 = upscale(open_upscaler(x4plus_file, precision="fp32"), pixels)
    assert 10 * np.log10(255**2 / ((bf16 - fp32) ** 2).mean()) >= 54


@needs_bf16
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("scale", [2, 8])
def test_networks_that_py_real_esrgan_saved_are_exact(
    scale: int, tmp_path: Path, picture: Callable[..., Pixels], upscale: Upscale
) -> None:
    """Its own class and key layout; the real x2 and x8 weights are on the hub only."""
    pytest.importorskip("py_real_esrgan", reason="the bench extra is not installed")
    theirs = importlib.import_module("py_real_esrgan.rrdbnet_arch").RRDBNet
    torch.manual_seed(scale)
    net = theirs(num_in_ch=3, num_out_ch=3, scale=scale, num_block=1).eval()
    torch.save({"params": net.state_dict()}, tmp_path / "saved.pth")
    pixels = picture(20, 136, np.uint16)

    fp32 = _opened(tmp_path / "saved.pth", "fp32", 64)
    assert (fp32.exactness, fp32.scale) == (Exactness.EXACT, scale)
    unit = torch.from_numpy(pixels.astype(np.float32) / 65535).permute(2, 0, 1)[None]
    with torch.inference_mode():
        whole = net(unit)[0].clamp(0, 1).permute(1, 2, 0).numpy()
    expected = np.rint(whole.astype(np.float64) * 65535).astype(np.uint16)
    assert _furthest(upscale(fp32, pixels), expected) <= 2
    small = _opened(tmp_path / "saved.pth", "bf16", 64)
    large = _opened(tmp_path / "saved.pth", "bf16", WHOLE_PX)
    assert np.array_equal(upscale(small, pixels), upscale(large, pixels))


@needs_bf16
@pytest.mark.parametrize("model", ["x4plus_file", "anime_file", "animevideo_file"])
def test_the_real_networks_are_exact_too(
    model: str,
    request: pytest.FixtureRequest,
    picture: Callable[..., Pixels],
    upscale: Upscale,
) -> None:
    file = request.getfixturevalue(model)
    pixels = picture(89, 131)
    assert np.array_equal(
        upscale(_opened(file, "bf16", 64), pixels), upscale(_opened(file, "bf16", None), pixels)
    )


@pytest.mark.soak
@needs_bf16
@pytest.mark.parametrize("size", [(517, 389), (33, 700)])
@pytest.mark.parametrize("model", ["x4plus_file", "anime_file", "animevideo_file"])
def test_large_pictures_of_the_real_networks_do_not_depend_on_the_tile(
    model: str,
    size: tuple[int, int],
    request: pytest.FixtureRequest,
    picture: Callable[..., Pixels],
    upscale: Upscale,
) -> None:
    file = request.getfixturevalue(model)
    pixels = picture(*size)
    expected = upscale(_opened(file, "bf16", WHOLE_PX), pixels)
    for tile_px in TILES_PX:
        assert np.array_equal(upscale(_opened(file, "bf16", tile_px), pixels), expected), tile_px


def _opened(file: Path, precision: str, tile_px: int | None) -> TorchUpscaler:
    return open_upscaler(file, device="cpu", precision=precision, tile_px=tile_px)


def _of_spandrel(file: Path, pixels: Pixels) -> Pixels:
    descriptor = ModelLoader().load_from_file(file).eval()
    full = np.iinfo(pixels.dtype).max
    unit = torch.from_numpy(pixels.astype(np.float32) / full).permute(2, 0, 1)[None]
    # The network itself: the descriptor would pad x2 to multiples of 4, where 2 are enough.
    with torch.inference_mode():
        result = descriptor.model(unit)[0].clamp(0, 1).permute(1, 2, 0).numpy()
    return np.rint(result.astype(np.float64) * full).astype(pixels.dtype)


def _furthest(first: Pixels, second: Pixels) -> int:
    return int(np.abs(first.astype(int) - second.astype(int)).max())
