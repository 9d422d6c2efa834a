"""How far a module looks: derived from its layers, for any kernel, stride and dilation."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any

from torch import nn

_POINTWISE = (
    nn.Identity,
    nn.Dropout,
    nn.ReLU,
    nn.LeakyReLU,
    nn.PReLU,
    nn.SiLU,
    nn.Sigmoid,
    nn.Tanh,
    nn.GELU,
    nn.BatchNorm2d,
)


class NotLocal(Exception):
    """A layer whose output depends on the whole input, or on more than is known here."""


@dataclass(frozen=True, slots=True)
class Reach:
    """In pixels of the module's input: an output pixel depends on no input further away."""

    radius: Fraction = Fraction(0)
    scale: Fraction = Fraction(1)
    """Output pixels for each input pixel, along one edge."""

    @property
    def halo_px(self) -> int:
        return ceil(self.radius)

    def then(self, radius: int, scale: Fraction = Fraction(1)) -> "Reach":
        """Followed by a layer that looks `radius` px far at its own input's resolution."""
        return Reach(self.radius + radius / self.scale, self.scale * scale)


def reach_of(module: nn.Module) -> Reach:
    """Layers are taken one after the other, in the order in which the module registers them.

    Side branches (residuals, dense connections) only ever see what the chain sees, so the sum
    over the chain bounds them; for dense and residual blocks it is exact.

    Raises:
        NotLocal: pooling over the image, attention, or a layer not known here.
    """
    reach = Reach()
    for layer in module.modules():
        reach = _after(reach, layer)
    return reach


def _after(reach: Reach, layer: nn.Module) -> Reach:
    if isinstance(layer, nn.Conv2d):
        return reach.then(_radius(layer), Fraction(1, _one(layer.stride)))
    if isinstance(layer, nn.PixelShuffle):
        return reach.then(0, Fraction(layer.upscale_factor))
    if isinstance(layer, nn.PixelUnshuffle):
        return reach.then(0, Fraction(1, layer.downscale_factor))
    if isinstance(layer, nn.Upsample):
        if layer.mode != "nearest" or layer.scale_factor is None:
            raise NotLocal(f"Upsample in mode {layer.mode}")
        return reach.then(0, Fraction(_one(layer.scale_factor)).limit_denominator(64))
    if isinstance(layer, _POINTWISE) or next(layer.children(), None) is not None:
        return reach
    raise NotLocal(type(layer).__name__)


def _radius(conv: nn.Conv2d) -> int:
    """The further of both sides: an even kernel, or one with other padding, is lopsided."""
    if isinstance(conv.padding, str) or conv.padding_mode != "zeros":
        raise NotLocal(f"convolution with padding {conv.padding!r}, {conv.padding_mode}")
    furthest = 0
    for kernel, dilation, padding in zip(
        conv.kernel_size, conv.dilation, conv.padding, strict=True
    ):
        furthest = max(furthest, padding, (kernel - 1) * dilation - padding)
    return furthest


def _one(pair: Any) -> Any:
    if not isinstance(pair, tuple):
        return pair
    if len(set(pair)) != 1:
        raise NotLocal(f"unequal factors {pair}")
    return pair[0]
