"""One convolution with its activation, in the fastest form that the device has."""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from upscaled.engine.device import Device
from upscaled.engine.plans.receptive_field import NotLocal

_FUSED_OPERATORS = (
    "_convolution_pointwise",
    "_convolution_pointwise_",
    "_reorder_convolution_weight",
)


class Conv:
    """A 2-D convolution and the leaky ReLU after it.

    On a CPU the weights are reordered once into oneDNN's own layout, and the activation and a
    sum run inside the kernel, where this torch has the operators for it.
    """

    def __init__(
        self,
        layer: nn.Conv2d,
        device: Device,
        *,
        padding: tuple[int, int] = (0, 0),
        gain: float = 1.0,
    ) -> None:
        """`layer` is left in fp32 on the CPU; `gain` multiplies the result."""
        if layer.padding_mode != "zeros":
            raise NotLocal(f"convolution with padding mode {layer.padding_mode}")
        self.radius = max(layer.kernel_size) // 2
        self.in_channels = layer.in_channels
        self.out_channels = layer.out_channels
        self.slope: float | None = None
        """Of the leaky ReLU; None: linear."""
        scaled = (layer.weight * gain).to(device.where, device.dtype)
        self._weight = scaled.contiguous(memory_format=torch.channels_last)
        self._bias = None
        if layer.bias is not None:
            self._bias = (layer.bias * gain).to(device.where, device.dtype)
        self._padding = list(padding)
        self._stride = list(layer.stride)
        self._dilation = list(layer.dilation)
        self._groups = layer.groups
        self._packed: Tensor | None = None
        if device.is_cpu and device.fused and has_fused_operators():
            self._packed = _mkldnn("_reorder_convolution_weight")(
                self._weight,
                self._padding,
                self._stride,
                self._dilation,
                self._groups,
                [1, self.in_channels, 66, 514],
            )
            self._weight = torch.empty(0)  # the packed copy is enough

    def __call__(self, tensor: Tensor) -> Tensor:
        if self._packed is None:
            result = self._plain(tensor)
            return result if self.slope is None else functional.leaky_relu_(result, self.slope)
        fused: Tensor = _mkldnn("_convolution_pointwise")(
            tensor,
            self._packed,
            self._bias,
            self._padding,
            self._stride,
            self._dilation,
            self._groups,
            "none" if self.slope is None else "leaky_relu",
            [] if self.slope is None else [self.slope],
            "",
        )
        return fused

    def add_to(self, total: Tensor, tensor: Tensor) -> Tensor:
        """`total` + the convolution of `tensor`; `total` (contiguous) may be overwritten."""
        if self._packed is None or self.slope is not None:
            return total.add_(self(tensor))
        added: Tensor = _mkldnn("_convolution_pointwise_").binary(
            total,
            tensor,
            self._packed,
            self._bias,
            self._padding,
            self._stride,
            self._dilation,
            self._groups,
            "add",
            1.0,
            None,
            [],
            None,
        )
        return added

    def _plain(self, tensor: Tensor) -> Tensor:
        return functional.conv2d(
            tensor,
            self._weight,
            self._bias,
            stride=self._stride,
            padding=self._padding,
            dilation=self._dilation,
            groups=self._groups,
        )


class Chain(nn.Module):
    """Layers one after the other, each convolution fused with the leaky ReLU after it.

    The picture itself never goes through bf16, which has less than 8 bits between 0.5 and 1:
    with the first and the last convolution in fp32, x4plus is 1.5 dB closer to itself in fp32.
    """

    def __init__(
        self,
        layers: Iterable[nn.Module],
        device: Device,
        *,
        takes_picture: bool = False,
        gives_picture: bool = False,
    ) -> None:
        super().__init__()
        fine = replace(device, dtype=torch.float32)
        layers = list(flat(layers))
        self._dtype = device.dtype
        self._steps: list[Conv | nn.Module] = []
        self._first_is_fine = takes_picture
        self._last_is_fine = gives_picture
        for index, layer in enumerate(layers):
            last = self._steps[-1] if self._steps else None
            is_fine = (takes_picture and index == 0) or (gives_picture and index == len(layers) - 1)
            if isinstance(layer, nn.Conv2d):
                used = fine if is_fine else device
                self._steps.append(Conv(layer, used, padding=padding_of(layer)))
            elif isinstance(layer, nn.LeakyReLU) and isinstance(last, Conv):
                last.slope = layer.negative_slope
            else:
                self._steps.append(deepcopy(layer).to(device.where, device.dtype))

    def forward(self, tensor: Tensor) -> Tensor:
        final = len(self._steps) - 1
        for index, step in enumerate(self._steps):
            is_fine = (self._first_is_fine and index == 0) or (
                self._last_is_fine and index == final
            )
            tensor = step(tensor.to(torch.float32 if is_fine else self._dtype))
        return tensor if self._last_is_fine else tensor.to(self._dtype)


def flat(layers: Iterable[nn.Module]) -> Iterable[nn.Module]:
    """The layers with nested `Sequential`s opened."""
    for layer in layers:
        if isinstance(layer, nn.Sequential):
            yield from flat(layer)
        else:
            yield layer


def conv_of(module: nn.Module, device: Device, *, gain: float = 1.0) -> Conv:
    """A convolution, alone or with its leaky ReLU, as one without padding."""
    first, *rest = flat([module])
    if not isinstance(first, nn.Conv2d) or len(rest) > 1:
        raise NotLocal(type(module).__name__)
    conv = Conv(first, device, gain=gain)
    for activation in rest:
        if not isinstance(activation, nn.LeakyReLU):
            raise NotLocal(type(activation).__name__)
        conv.slope = activation.negative_slope
    return conv


def padding_of(layer: nn.Conv2d) -> tuple[int, int]:
    if isinstance(layer.padding, str):
        raise NotLocal(f"convolution with padding {layer.padding}")
    return layer.padding[0], layer.padding[1]


def has_fused_operators() -> bool:
    """torch.ops.mkldnn is what inductor compiles to; it is no public API, so it is asked for."""
    return bool(torch.backends.mkldnn.is_available()) and all(  # type: ignore[no-untyped-call]
        _mkldnn(name) is not None for name in _FUSED_OPERATORS
    )


def _mkldnn(operator: str) -> Any:
    return getattr(torch.ops.mkldnn, operator, None)
