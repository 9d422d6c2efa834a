"""The fast form of the end of a network is the same function as its layers."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from upscaled.engine.device import Device, cpu_has_bf16
from upscaled.engine.plans.conv import has_fused_operators
from upscaled.engine.plans.receptive_field import NotLocal
from upscaled.engine.plans.tail import PreciseConv, tail_block
from upscaled.engine.tiling.scratch import Scratch
from upscaled.engine.tiling.tiles import Box

FP32 = Device(torch.device("cpu"), torch.float32)
BF16 = Device(torch.device("cpu"), torch.bfloat16)
CHANNELS = 16


def layers(doublings: int, *, bias: bool = True) -> list[nn.Module]:
    torch.manual_seed(doublings)
    found: list[nn.Module] = []
    for _ in range(doublings):
        found.append(nn.Upsample(scale_factor=2, mode="nearest"))
        found.append(nn.Sequential(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=bias)))
        found.append(nn.LeakyReLU(0.2))
    found += [nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=bias), nn.LeakyReLU(0.1)]
    return [*found, nn.Conv2d(CHANNELS, 3, 3, padding=1, bias=bias)]


@torch.inference_mode()
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("doublings", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (20, 31)])
def test_tiles_together_are_what_the_layers_give_for_the_whole(
    doublings: int, size: tuple[int, int], *, bias: bool
) -> None:
    net = layers(doublings, bias=bias)
    block = tail_block(net, FP32, Scratch(), source=0)
    inside = Box(0, 0, *size)
    features = torch.randn(1, CHANNELS, *size).to(memory_format=torch.channels_last)
    expected = nn.Sequential(*net)(features)
    cuts = sorted({0, size[0] // 3, size[0] // 2, size[0]})
    parts = []
    for top, bottom in pairwise(cuts):
        core = Box(top, 0, bottom, size[1])
        region = core.grown(block.halo_px, inside)
        parts.append(
            block.body(features[:, :, region.top : region.bottom], region, core, inside, None)
        )
    assert block.scale == 2**doublings
    torch.testing.assert_close(torch.cat(parts, 2), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "net",
    [
        [nn.Upsample(scale_factor=3), *layers(0)],
        [nn.Conv2d(4, 16, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(4, 3, 3, padding=1)],
        [*layers(1), nn.LeakyReLU(0.2)],
        [nn.Upsample(scale_factor=2), nn.Conv2d(4, 3, 3, padding=1)],
        [nn.Upsample(scale_factor=2), nn.Upsample(scale_factor=2), *layers(0)],
        [nn.Conv2d(4, 4, 5, padding=2), nn.Conv2d(4, 3, 3, padding=1)],
        [nn.Conv2d(4, 4, 3, padding=2, dilation=2), nn.Conv2d(4, 3, 3, padding=1)],
    ],
)
def test_other_ends_are_left_to_the_general_form(net: list[nn.Module]) -> None:
    with pytest.raises(NotLocal):
        tail_block(net, FP32, Scratch(), source=0)


@torch.inference_mode()
@pytest.mark.skipif(
    not (cpu_has_bf16() and has_fused_operators()), reason="no bf16 kernels that add"
)
def test_a_precise_convolution_loses_a_hundredth_of_what_bf16_does() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(64, 3, 3)
    features = torch.rand(1, 64, 30, 90).bfloat16().to(memory_format=torch.channels_last)
    exact = layer(features.float())
    precise = PreciseConv(layer, BF16)(features)
    coarse = layer.bfloat16()(features).float()
    assert precise.dtype is torch.float32
    assert (precise - exact).abs().max() < (coarse - exact).abs().max() / 100
