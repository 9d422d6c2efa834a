"""Checkpoints in the layouts that are about, from a configuration to the pixels."""

import importlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save as save_safetensors
from spandrel.architectures.ESRGAN import ESRGAN

from support.model_servers import HubServer, Repository
from support.rrdbnet import Weights, old_layout, random_weights, rrdbnet
from upscaled.config.load import load_config
from upscaled.engine.upscaler import open_upscaler
from upscaled.models.library import Library

RULE = "\nrules:\n  photos: {watch: in, output: out}\n"
MOST = 1e-4
"""The furthest that a pixel (0 to 1) may be from what the peer gives."""

LAYOUTS: dict[str, tuple[int, str, Callable[[Weights], object]]] = {
    "py-real-esrgan-x2": (2, "RealESRGAN_x2.pth", lambda net: {"params": net}),
    "py-real-esrgan-x4": (4, "RealESRGAN_x4.pth", lambda net: {"params_ema": net}),
    "py-real-esrgan-x8": (8, "RealESRGAN_x8.pth", lambda net: {"params": net}),
    "bare": (4, "bare.pth", lambda net: net),
    "in-parallel": (2, "bare.pt", lambda net: {f"module.{key}": net[key] for key in net}),
    "old-esrgan": (4, "RRDB_ESRGAN_x4.pth", old_layout),
    "old-esrgan-wrapped": (4, "4x-Community.pth", lambda net: {"state_dict": old_layout(net)}),
}


@pytest.fixture
def image() -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Not square, and odd: x2 takes pixels two by two."""
    return np.random.default_rng(6).integers(0, 65536, (13, 18, 3), dtype=np.uint16)


def saved(name: str, weights: object) -> bytes:
    if name.endswith(".safetensors"):
        assert isinstance(weights, dict)
        return save_safetensors(weights)
    file = io.BytesIO()
    torch.save(weights, file)
    return file.getvalue()


def unit(image: np.ndarray[Any, Any]) -> torch.Tensor:
    return torch.from_numpy(image.astype(np.float32) / 65535).permute(2, 0, 1)[None]


def upscaled(file: Path, image: np.ndarray[Any, Any]) -> tuple[int, torch.Tensor]:
    """(the scale that was found, the result as the network gives it)."""
    upscaler = open_upscaler(file, device="cpu", precision="fp32", tile_px=64)
    result = upscaler.upscale(image, progress=lambda *_: None, cancelled=lambda: False)
    assert result.dtype == np.uint16
    return upscaler.scale, unit(result)


def model_of(folder: Path, component: str) -> str:
    """What a rule's recipe names, by way of a configuration."""
    file = folder / "upscaled.yml"
    file.write_text(component + RULE, encoding="utf-8")
    (rule,) = load_config([file], environment={"HOME": str(folder)}).rules
    return rule.recipe.model


def local(folder: Path, name: str) -> str:
    return model_of(folder, f"component: {{model: {{provider: local, path: ./{name}}}}}")


def on_the_hub(folder: Path, name: str) -> str:
    source = f"{{provider: huggingface, repository: someone/models, filename: {name}}}"
    return model_of(folder, f"component: {{model: {source}}}")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_checkpoint_gives_the_papers_own_picture_from_a_file_and_from_the_hub(
    layout: str,
    tmp_path: Path,
    library: Library,
    hub: HubServer,
    image: np.ndarray[Any, Any],
) -> None:
    scale, name, wrap = LAYOUTS[layout]
    weights = random_weights(scale)
    content = saved(name, wrap(weights))
    (tmp_path / name).write_bytes(content)
    hub.repositories["someone/models"] = Repository({name: content})
    expected = whole(weights, image, scale)
    assert expected.std() > 0.02  # a picture, not one colour
    for place in (local, on_the_hub):
        found, result = upscaled(library.fetch(place(tmp_path, name)), image)
        assert found == scale
        assert float((result - expected).abs().max()) < MOST, place


def whole(weights: Weights, image: np.ndarray[Any, Any], scale: int) -> torch.Tensor:
    """What the network gives at once; x2 mirrors a row and a column to have pairs."""
    height, width = image.shape[:2]
    odd = (height % 2, width % 2) if scale == 2 else (0, 0)
    full = np.pad(image, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="reflect")
    result = rrdbnet(weights, unit(full), scale)[..., : height * scale, : width * scale]
    return result.clamp(0, 1)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_what_spandrel_saves_gives_spandrels_own_picture(
    scale: int, tmp_path: Path, library: Library, image: np.ndarray[Any, Any]
) -> None:
    net = ESRGAN(
        in_nc=12 if scale == 2 else 3,
        num_filters=32,
        num_blocks=1,
        scale=4 if scale == 2 else scale,
        shuffle_factor=2 if scale == 2 else None,
    ).eval()
    net.load_state_dict(old_layout(random_weights(scale)))
    (tmp_path / "4x.safetensors").write_bytes(saved("4x.safetensors", net.state_dict()))
    with torch.inference_mode():
        expected = net(unit(image)).clamp(0, 1)
    found, result = upscaled(library.fetch(local(tmp_path, "4x.safetensors")), image)
    assert found == scale
    assert float((result - expected).abs().max()) < MOST


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_the_network_written_down_here_is_that_of_py_real_esrgan(
    scale: int, image: np.ndarray[Any, Any]
) -> None:
    pytest.importorskip("py_real_esrgan", reason="the bench extra is not installed")
    theirs = importlib.import_module("py_real_esrgan.rrdbnet_arch").RRDBNet
    net = theirs(3, 3, scale=scale, num_feat=32, num_block=1).eval()
    weights = random_weights(scale)
    net.load_state_dict(weights, strict=True)
    even = unit(image[:12])
    with torch.inference_mode():
        assert float((net(even) - rrdbnet(weights, even, scale)).abs().max()) < 1e-5
