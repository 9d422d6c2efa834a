"""Converted weights under PyTorch against the very same files under ncnn."""

from pathlib import Path

import ncnn
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from spandrel import ImageModelDescriptor, ModelLoader

from support.ncnn_export import random_tensors, rrdb_shapes, write_rrdb
from upscaled.models.catalogue import find_model
from upscaled.models.conversion import convert
from upscaled.models.library import Library

Picture = NDArray[np.float32]
LEAST_DB = 80.0


def picture(width_px: int, height_px: int) -> Picture:
    """Slopes, edges and noise: 3 × height × width, 0 to 1."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:height_px, 0:width_px].astype(np.float32)
    smooth = np.stack([x / width_px, y / height_px, (x // 7 + y // 5) % 2])
    noisy = smooth * 0.8 + 0.2 * rng.random(smooth.shape, np.float32)
    return np.ascontiguousarray(noisy, dtype=np.float32)


def by_ncnn(param: Path, weights: Path, pixels: Picture) -> Picture:
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    for name in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, f"use_{name}", False)
    net.opt.num_threads = 2
    assert net.load_param(str(param)) == 0
    assert net.load_model(str(weights)) == 0
    extractor = net.create_extractor()
    extractor.input(net.input_names()[0], ncnn.Mat(pixels))
    status, result = extractor.extract(net.output_names()[0])
    assert status == 0
    return np.array(result, dtype=np.float32)


def by_torch(model: ImageModelDescriptor, pixels: Picture) -> Picture:
    with torch.inference_mode():
        result: Picture = model.model.eval()(torch.from_numpy(pixels)[None])[0].numpy()
    return result


def db(a: Picture, b: Picture) -> float:
    assert a.shape == b.shape
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return float("inf") if error == 0 else -10 * float(np.log10(error))


@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        ("realesrgan-x4plus", "ESRGAN"),
        ("realesrgan-x4plus-anime", "ESRGAN"),
        ("realesr-animevideov3", "Compact"),
    ],
)
def test_a_converted_model_gives_what_ncnn_gives(
    model_library: Library, name: str, architecture: str
) -> None:
    pixels = picture(48, 40)
    converted = model_library.fetch(name)
    originals = model_library.embedded.originals(find_model(name).model)
    model = ModelLoader(device="cpu").load_from_file(converted)
    assert isinstance(model, ImageModelDescriptor)
    assert (model.architecture.id, model.scale) == (architecture, 4)
    expected = by_ncnn(*originals, pixels)
    assert expected.shape == (3, 160, 192)
    assert expected.std() > 0.1
    assert db(by_torch(model, pixels), expected) >= LEAST_DB


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(("ups", "unshuffle", "scale"), [(1, 1, 2), (3, 1, 8), (2, 2, 2)])
def test_other_scales_give_what_ncnn_gives(
    tmp_path: Path, fused: bool, ups: int, unshuffle: int, scale: int
) -> None:
    tensors = random_tensors(rrdb_shapes(2, 16, 32, ups, unshuffle))
    param, content = write_rrdb(tensors, 2, ups=ups, unshuffle=unshuffle, fused=fused)
    files = tmp_path / "x.param", tmp_path / "x.bin"
    for file, written in zip(files, (param, content), strict=True):
        file.write_bytes(written)
    converted = convert(param, content)
    state = {key: torch.from_numpy(tensor) for key, tensor in converted.tensors.items()}
    model = ModelLoader().load_from_state_dict(state)
    assert isinstance(model, ImageModelDescriptor)
    assert model.scale == converted.scale == scale
    pixels = picture(20, 12)
    assert db(by_torch(model, pixels), by_ncnn(*files, pixels)) >= LEAST_DB


def test_spandrel_finds_every_weight_of_x4plus(x4plus_file: Path) -> None:
    model = ModelLoader(device="cpu").load_from_file(x4plus_file)
    weights = model.model.state_dict()
    assert len(weights) == 702
    assert sum(weight.numel() for weight in weights.values()) == 16_697_987
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
