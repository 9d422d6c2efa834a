"""Small networks in the real classes: random weights, but a picture comes out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.SPAN import SPAN
from spandrel.architectures.SwinIR import SwinIR

from upscaled.engine.upscaler import TorchUpscaler
from upscaled.pipeline.protocols import Pixels

NETWORKS: dict[str, Callable[[], torch.nn.Module]] = {
    "x1": lambda: ESRGAN(scale=4, in_nc=48, num_blocks=1, num_filters=32, shuffle_factor=4),
    "x2": lambda: ESRGAN(scale=4, in_nc=12, num_blocks=1, shuffle_factor=2),
    "x4": lambda: ESRGAN(scale=4, num_blocks=2),
    "x8": lambda: ESRGAN(scale=8, num_blocks=1, num_filters=32),
    "plus": lambda: ESRGAN(scale=4, num_blocks=1, plus=True),
    "compact": lambda: Compact(num_conv=8, upscale=4),
    "compact-x2": lambda: Compact(num_conv=4, upscale=2),
    "span": lambda: SPAN(num_in_ch=3, num_out_ch=3, feature_channels=32, upscale=4),
    "swinir": lambda: SwinIR(
        upscale=2,
        img_size=64,
        window_size=8,
        depths=[2],
        embed_dim=16,
        num_heads=[2],
        upsampler="pixelshuffledirect",
    ),
}

Maker = Callable[[str], Path]
Upscale = Callable[..., Pixels]


@pytest.fixture(scope="session")
def network_file(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """`network_file("x4")`: a file with weights of a small network of that kind."""
    folder = tmp_path_factory.mktemp("networks")

    def make(kind: str) -> Path:
        file = folder / f"{kind}.safetensors"
        if not file.exists():
            torch.manual_seed(len(kind))
            save_file(tamed(NETWORKS[kind]()).state_dict(), file)
        return file

    return make


@torch.no_grad()
def tamed(net: torch.nn.Module) -> torch.nn.Module:
    """Weights that keep the signal's size, and an output of mean 0.5 and deviation 0.15."""
    net.eval()
    convs = [layer for layer in net.modules() if isinstance(layer, torch.nn.Conv2d)]
    for conv in convs:
        if conv.bias is not None:
            torch.nn.init.normal_(conv.weight, std=(conv.weight[0].numel()) ** -0.5)
            torch.nn.init.zeros_(conv.bias)
    if isinstance(net, SPAN):
        for conv in (net.conv_1.sk, net.conv_1.conv[0]):
            conv.weight.mul_(1 / 128)  # its input is in grey levels
    if isinstance(net, Compact):
        return net  # adds the picture itself
    last = convs[-1]
    shape = (1, 3, 64, 64)
    result = net(torch.rand(shape))
    gain = 0.15 / float(result.std())
    mean = result.mean(dim=(0, 2, 3))
    last.weight.mul_(gain)
    if last.out_channels == len(mean):
        last.bias.copy_((last.bias - mean) * gain + 0.5)
    else:
        last.bias.mul_(gain).add_(0.5 - float(mean.mean()) * gain)
    return net


@pytest.fixture(scope="session")
def picture() -> Callable[..., Pixels]:
    """`picture(height, width, dtype)`: soft shapes with noise, the same at each call."""

    def make(height: int, width: int, dtype: Any = np.uint8) -> Pixels:
        noise = np.random.default_rng(height * 10_000 + width)
        rows, columns = np.mgrid[0:height, 0:width]
        waves = np.stack([np.sin(rows / 9 + k) * np.cos(columns / 7 - k) for k in range(3)], 2)
        unit = 0.5 + 0.3 * waves + noise.normal(0, 0.05, waves.shape)
        return (unit.clip(0, 1) * np.iinfo(dtype).max).astype(dtype)

    return make


@pytest.fixture(scope="session")
def upscale() -> Upscale:
    def call(upscaler: TorchUpscaler, pixels: Pixels) -> Pixels:
        return upscaler.upscale(pixels, progress=lambda _done, _all: None, cancelled=lambda: False)

    return call
