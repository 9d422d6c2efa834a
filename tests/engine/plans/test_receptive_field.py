"""Derived halos against brute force: change one input pixel, see which outputs move."""

import pytest
import torch
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.SPAN import SPAN
from torch import nn

from upscaled.engine.plans.receptive_field import NotLocal, reach_of
from upscaled.engine.plans.whole_network import fuse_branches


def seen_reach(net: nn.Module, channels: int, scale: int, size_px: int = 96) -> int:
    """How far, in input pixels, the furthest output that moves lies from the changed pixel."""
    net = net.double().eval()
    torch.manual_seed(1)
    before = torch.rand(1, channels, size_px, size_px, dtype=torch.double)
    after = before.clone()
    middle = size_px // 2
    after[:, :, middle, middle] += 1.0
    with torch.inference_mode():
        moved = (net(after) - net(before)).abs().amax(dim=(0, 1)) > 0
    rows = moved.any(dim=1).nonzero().flatten()
    return max(middle - int(rows.min()) // scale, int(rows.max()) // scale - middle)


def chain(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(*layers)


@pytest.mark.parametrize(
    ("net", "scale"),
    [
        (nn.Conv2d(3, 2, 3, padding=1), 1),
        (nn.Conv2d(3, 2, 7, padding=3), 1),
        (nn.Conv2d(3, 2, 3, padding=4, dilation=4), 1),
        (chain(nn.Conv2d(3, 4, 5, padding=2), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1)), 1),
        (chain(nn.Upsample(scale_factor=2), nn.Conv2d(3, 2, 3, padding=1)), 2),
        (chain(nn.Upsample(scale_factor=2), nn.Conv2d(3, 2, 9, padding=4)), 2),
        (
            chain(
                nn.Conv2d(3, 16, 3, padding=1), nn.PixelShuffle(4), nn.Conv2d(1, 1, 3, padding=1)
            ),
            4,
        ),
    ],
)
def test_the_reach_of_layers_is_what_they_see(net: nn.Module, scale: int) -> None:
    reach = reach_of(net)
    assert reach.scale == scale
    assert reach.halo_px == seen_reach(net, 3, scale)


def test_the_reach_of_a_dense_block_is_five() -> None:
    block = list(ESRGAN(num_blocks=1).model)[1].sub[0].RDB1
    assert reach_of(block).halo_px == seen_reach(block, 64, 1) == 5


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_the_reach_of_an_upsampling_tail_bounds_what_it_sees(scale: int) -> None:
    _, _, *tail = list(ESRGAN(num_blocks=1, num_filters=8, scale=scale).model)
    net = nn.Sequential(*tail)
    reach = reach_of(net)
    assert reach.scale == scale
    assert reach.halo_px == seen_reach(net, 8, scale, 32)


def test_the_reach_of_compact_is_one_for_each_convolution() -> None:
    net = Compact(num_feat=8, num_conv=6, upscale=4)
    assert reach_of(net).halo_px == seen_reach(net, 3, 4) == 8


def test_the_reach_of_span_covers_what_it_sees() -> None:
    net = SPAN(num_in_ch=3, num_out_ch=3, feature_channels=8).eval()
    fuse_branches(net)
    halo = reach_of(net).halo_px
    assert seen_reach(net, 3, 4) <= halo == 21


@pytest.mark.parametrize(
    "net",
    [
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(3, 3, 3, padding="same"),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.InstanceNorm2d(3),
        nn.Linear(3, 3),
    ],
)
def test_layers_that_are_not_known_to_be_local_are_refused(net: nn.Module) -> None:
    with pytest.raises(NotLocal):
        reach_of(nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), net))
