"""The exact plan of networks with a small reach: the whole network on each tile."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from upscaled.engine.device import Device
from upscaled.engine.plans.conv import Chain
from upscaled.engine.plans.plan import PICTURE, Exactness, Plan, padded_block


def compact_plan(net: Any, scale: int, device: Device) -> Plan:
    return _whole_plan(net, compact_module(net, scale, device), scale)


def span_plan(net: nn.Module, scale: int, device: Device) -> Plan:
    return _whole_plan(net, span_module(net, scale, device), scale)


def compact_module(net: Any, scale: int, device: Device) -> nn.Module:
    """The whole network as it is run on each tile."""
    return _Compact(net, scale, device)


def span_module(net: nn.Module, scale: int, device: Device) -> nn.Module:
    """The same; `net` itself is fused."""
    del scale
    fuse_branches(net)
    return _Cast(net, device)


def _whole_plan(net: nn.Module, run: nn.Module, scale: int) -> Plan:
    block = padded_block(net, run=run, source=PICTURE, target=PICTURE, channels=3)
    return Plan((block,), Exactness.EXACT, scale=scale)


class _Cast(nn.Module):
    """A network as it is, on the device; it takes the picture in fp32."""

    def __init__(self, net: nn.Module, device: Device) -> None:
        super().__init__()
        self._net = deepcopy(net).to(device.where, device.dtype)
        self._net.to(memory_format=torch.channels_last)
        self._dtype = device.dtype

    def forward(self, picture: Tensor) -> Tensor:
        result: Tensor = self._net(picture.to(self._dtype))
        return result


class _Compact(nn.Module):
    """SRVGGNetCompact; the picture that it adds to its result is added in fp32."""

    def __init__(self, net: Any, scale: int, device: Device) -> None:
        super().__init__()
        self._body = Chain(list(net.body), device, takes_picture=True)
        self._scale = scale

    def forward(self, picture: Tensor) -> Tensor:
        residual = functional.pixel_shuffle(self._body(picture), self._scale)
        base = functional.interpolate(picture, scale_factor=self._scale, mode="nearest")
        return base.add_(residual)


def fuse_branches(net: nn.Module) -> None:
    """SPAN's three-branch convolutions as the single one that each is equal to, in place.

    spandrel computes it anew at each forward.
    """
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if type(child).__name__ == "Conv3XC":
                setattr(parent, name, _fused(child))


def _fused(branches: Any) -> nn.Module:
    branches.update_params()
    conv: nn.Conv2d = branches.eval_conv
    return nn.Sequential(conv, nn.LeakyReLU(0.05)) if branches.has_relu else conv
