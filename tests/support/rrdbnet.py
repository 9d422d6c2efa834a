"""RRDBNet written down from its papers, as a function of named weights: what others are held to.

ESRGAN (Wang et al. 2018, arXiv:1809.00219, sections 3.1 and 3.2): dense blocks of five convolutions
with slope 0.2, three of them to a block, both residuals scaled by 0.2. Real-ESRGAN (Wang et al.
2021, arXiv:2107.10833, section 3.3): for x2 the image is unshuffled first. x8 doubles once more.
"""

import re

import torch
from torch import Tensor
from torch.nn import functional

Weights = dict[str, Tensor]
"""By the names of BasicSR and of py-real-esrgan."""

_RESIDUAL = 0.2
_SLOPE = 0.2


def random_weights(scale: int, features: int = 32, growth: int = 32, blocks: int = 1) -> Weights:
    """Weights under which a picture comes out: mean 0.5, deviation 0.15, nothing clipped."""
    torch.manual_seed(scale)
    weights: Weights = {}

    def conv(name: str, inputs: int, outputs: int) -> None:
        weights[f"{name}.weight"] = torch.randn(outputs, inputs, 3, 3) * (inputs * 9) ** -0.5
        weights[f"{name}.bias"] = torch.randn(outputs) * 0.1

    conv("conv_first", 12 if scale == 2 else 3, features)
    for block in range(blocks):
        for dense in (1, 2, 3):
            for step in range(1, 6):
                name = f"body.{block}.rdb{dense}.conv{step}"
                conv(name, features + (step - 1) * growth, growth if step < 5 else features)
    for name in ["conv_body", *_ups(scale), "conv_hr"]:
        conv(name, features, features)
    conv("conv_last", features, 3)
    seen = rrdbnet(weights, torch.rand(1, 3, 32, 32), scale)
    gain = 0.15 / float(seen.std())
    weights["conv_last.weight"] *= gain
    weights["conv_last.bias"] += 0.5 - weights["conv_last.bias"]
    centre = rrdbnet(weights, torch.rand(1, 3, 32, 32), scale).mean(dim=(0, 2, 3))
    weights["conv_last.bias"] += 0.5 - centre
    return weights


@torch.inference_mode()
def rrdbnet(weights: Weights, image: Tensor, scale: int) -> Tensor:
    """What the network gives for `image` (1, 3, height, width), 0 to 1."""

    def conv(name: str, value: Tensor) -> Tensor:
        return functional.conv2d(
            value, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1
        )

    def active(name: str, value: Tensor) -> Tensor:
        return functional.leaky_relu(conv(name, value), _SLOPE)

    def dense(name: str, value: Tensor) -> Tensor:
        known = value
        for step in range(1, 5):
            known = torch.cat([known, active(f"{name}.conv{step}", known)], dim=1)
        return value + _RESIDUAL * conv(f"{name}.conv5", known)

    first = conv("conv_first", functional.pixel_unshuffle(image, 2) if scale == 2 else image)
    trunk = first
    for block in range(_blocks(weights)):
        inner = trunk
        for number in (1, 2, 3):
            inner = dense(f"body.{block}.rdb{number}", inner)
        trunk = trunk + _RESIDUAL * inner
    value = first + conv("conv_body", trunk)
    for name in _ups(scale):
        value = active(name, value.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3))
    return conv("conv_last", active("conv_hr", value))


def old_layout(weights: Weights) -> Weights:
    """The same under the names of the first ESRGAN (2018), whose layers are counted."""
    blocks = _blocks(weights)
    ups = [name for name in _ups(8) if f"{name}.weight" in weights]
    ends = {"conv_first": "model.0", "conv_body": f"model.1.sub.{blocks}"}
    # Each doubling is three layers: nearest neighbours, convolution, slope.
    ends |= {name: f"model.{3 * number}" for number, name in enumerate(ups, 1)}
    ends |= {"conv_hr": f"model.{3 * len(ups) + 2}", "conv_last": f"model.{3 * len(ups) + 4}"}

    def renamed(key: str) -> str:
        name, _, kind = key.rpartition(".")
        inner = re.fullmatch(r"body\.(\d+)\.rdb(\d)\.conv(\d)", name)
        if inner is None:
            return f"{ends[name]}.{kind}"
        block, dense, step = inner.groups()
        return f"model.1.sub.{block}.RDB{dense}.conv{step}.0.{kind}"

    return {renamed(key): value for key, value in weights.items()}


def _blocks(weights: Weights) -> int:
    return 1 + max(int(key.split(".")[1]) for key in weights if key.startswith("body."))


def _ups(scale: int) -> list[str]:
    return [f"conv_up{number}" for number in range(1, 4 if scale == 8 else 3)]
