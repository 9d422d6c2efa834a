"""The end of an ESRGAN network, which enlarges: convolutions, some of them after a doubling."""

from collections.abc import Iterable
from copy import deepcopy

import torch
from torch import Tensor, nn

from upscaled.engine.device import Device
from upscaled.engine.plans.conv import Conv, flat, has_fused_operators, padding_of
from upscaled.engine.plans.plan import PICTURE, PlanBlock, elements_per_px, macs_per_px, shrunk
from upscaled.engine.plans.receptive_field import NotLocal, reach_of
from upscaled.engine.tiling.scratch import Scratch, clear_outside
from upscaled.engine.tiling.tiles import Box

_TWICE = 2

_FALLS_ON = torch.tensor([[[1.0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 1]]])
"""Along one axis, by phase, pixel of two and tap of three: 1 where that tap reads that pixel."""


def tail_block(
    layers: list[nn.Module], device: Device, scratch: Scratch, *, source: int
) -> PlanBlock:
    """From the feature map in slot `source` to the result.

    Raises:
        NotLocal: layers other than 3×3 convolutions, leaky ReLUs and doubling to the nearest.
    """
    module = nn.Sequential(*layers)
    reach = reach_of(module)
    return PlanBlock(
        body=_Tail(layers, device, scratch, reach.halo_px),
        halo_px=reach.halo_px,
        source=source,
        target=PICTURE,
        channels=3,
        scale=int(reach.scale),
        macs_per_px=macs_per_px(module),
        elements_per_px=elements_per_px(module),
    )


class _Tail:
    """Each convolution shrinks the tile by 1 px; zeros are written where it leaves the image."""

    def __init__(
        self, layers: Iterable[nn.Module], device: Device, scratch: Scratch, halo_px: int
    ) -> None:
        *inner, last = flat(layers)
        self._steps: list[tuple[Conv, bool]] = []
        """Convolutions, and whether each doubles the size."""
        doubles = False
        for layer in inner:
            if isinstance(layer, nn.LeakyReLU) and self._steps and not doubles:
                self._steps[-1][0].slope = layer.negative_slope
            elif _is_doubling(layer) and not doubles:
                doubles = True
            else:
                conv = _of_three(layer)
                conv = _doubled(conv, device.dtype) if doubles else conv
                self._steps.append((Conv(conv, device), doubles))
                doubles = False
        if doubles:
            raise NotLocal("a last convolution after a doubling")
        self._last = PreciseConv(_of_three(last), device)
        self._device = device
        self._scratch = scratch
        self._halo_px = halo_px

    def __call__(
        self, source: Tensor, region: Box, core: Box, inside: Box, shortcut: Tensor | None
    ) -> Tensor:
        del shortcut
        box = core.spread(self._halo_px)
        features = self._scratch.ringed(source, region, box, inside, self._device)
        for index, (conv, doubles) in enumerate(self._steps):
            clear_outside(features, box, inside)
            factor = 2 if doubles else 1
            core, inside, box = (each.scaled(factor) for each in (core, inside, box))
            box = box.spread(-1)
            phases = conv(features)
            features = phases
            if doubles:
                channels = phases.shape[1] // 4
                features = self._scratch.take(1 + index % 2, channels, box, self._device)
                _interleave(phases, features)
        clear_outside(features, box, inside)
        return shrunk(self._last(features), core.within(box.spread(-1)))


def _is_doubling(layer: nn.Module) -> bool:
    """To the nearest: `reach_of` refuses other modes."""
    return isinstance(layer, nn.Upsample) and layer.scale_factor == _TWICE


def _of_three(layer: nn.Module) -> nn.Conv2d:
    """A plain 3×3 convolution."""
    if not isinstance(layer, nn.Conv2d) or (layer.kernel_size, layer.stride, layer.dilation) != (
        (3, 3),
        (1, 1),
        (1, 1),
    ):
        raise NotLocal(f"{layer} at the end")
    if layer.groups != 1 or padding_of(layer) != (1, 1):
        raise NotLocal(f"{layer} at the end")
    return layer


def _doubled(conv: nn.Conv2d, dtype: torch.dtype) -> nn.Conv2d:
    """The same after a doubling to the nearest, as a 2×2 convolution before it: 4/9 of the work.

    The four enlarged pixels around the middle of 2×2 px see these alone. Each of them (a phase)
    has output channels of its own, in which the taps that fall on the same pixel are summed.
    """
    phases = nn.Conv2d(conv.in_channels, 4 * conv.out_channels, 2, bias=conv.bias is not None)
    taps = torch.einsum("atk,bsl,oikl->aboits", _FALLS_ON, _FALLS_ON, conv.weight)
    evenly = _rounded_evenly(taps.reshape(phases.weight.shape), dtype)
    phases.weight = nn.Parameter(evenly, requires_grad=False)
    if conv.bias is not None:
        phases.bias = nn.Parameter(conv.bias.repeat(4), requires_grad=False)
    return phases


def _rounded_evenly(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """Numbers of `dtype`; what the rounding of a tap loses is added to the next one.

    So the sum over each kernel is kept, which is what it makes of an even surface, and the four
    phases agree there. Worth 0.8 dB for x4plus in bf16 on a photograph.
    """
    taps = weight.flatten(2).clone()
    for index in range(taps.shape[2] - 1):
        tap = taps[..., index]
        lost = tap - tap.to(dtype)
        taps[..., index] -= lost
        taps[..., index + 1] += lost
    return taps.view_as(weight)


def _interleave(phases: Tensor, into: Tensor) -> None:
    """1 × 4 channels × height × width as 1 × channels × twice the height × twice the width."""
    _, channels, height, width = into.shape
    parts = phases.permute(0, 2, 3, 1).reshape(height // 2, width // 2, 2, 2, channels)
    whole = into.permute(0, 2, 3, 1).view(height // 2, 2, width // 2, 2, channels)
    whole.copy_(parts.transpose(1, 2))


class PreciseConv:
    """The device's dtype in, fp32 out; without an activation.

    In bf16 the weights and the result are each split into a bf16 number and what its rounding
    lost. The weights' low parts are further output channels, which cost nothing: the kernel has
    16 at a time. The result's low part comes from a second run that adds to minus the result of
    the first, since the fused kernel adds before it rounds. For x4plus this takes a quarter of
    the time of an fp32 kernel and of the fp32 copy of its input, and is as close to fp32.
    """

    def __init__(self, layer: nn.Conv2d, device: Device) -> None:
        self._channels = layer.out_channels
        self._is_split = device.is_cpu and device.dtype is torch.bfloat16 and has_fused_operators()
        if self._is_split:
            layer, used = _split(layer, device.dtype), device
        else:
            used = Device(device.where, torch.float32)
        self._conv = Conv(layer, used)

    def __call__(self, tensor: Tensor) -> Tensor:
        if not self._is_split:
            return self._conv(tensor.to(torch.float32))
        high = self._conv(tensor)
        low = self._conv.add_to(high.neg(), tensor)
        both = high.to(torch.float32).add_(low)
        return both[:, : self._channels] + both[:, self._channels :]


def _split(layer: nn.Conv2d, dtype: torch.dtype) -> nn.Conv2d:
    """With twice the output channels: the weights as `dtype` holds them, and what it drops."""
    split = deepcopy(layer)
    split.out_channels *= 2
    for name, numbers in layer.named_parameters():
        high = numbers.to(dtype).to(numbers.dtype)
        both = torch.cat((high, numbers - high))
        setattr(split, name, nn.Parameter(both, requires_grad=False))
    return split
