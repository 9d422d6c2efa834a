"""ncnn `.param` + `.bin` → the state dict of the same network in PyTorch, without PyTorch.

Pure. Checked against ncnn running the files themselves: tests/models/test_ncnn_parity.py.
"""

from dataclasses import dataclass

import numpy as np

from upscaled.errors import ModelCorrupt
from upscaled.models.ncnn.ncnn_network import recognise
from upscaled.models.ncnn.param import parse_param
from upscaled.models.ncnn.weights import Weights, read_weights

# 23 blocks take 140 kB; recognition is quadratic in the worst case.
LARGEST_PARAM_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Converted:
    architecture: str
    """By spandrel's ids: `ESRGAN` or `Compact`."""
    scale: int
    tensors: dict[str, Weights]
    """Float32, with the key names that spandrel recognises."""


def convert(param: bytes, content: bytes) -> Converted:
    """The network of a `.param` file and the weights of its `.bin` file.

    Raises:
        ModelCorrupt: one of them is damaged, or they do not belong together.
        ModelUnsupported: another network than RRDBNet or SRVGGNetCompact, or int8 weights.
    """
    if len(param) > LARGEST_PARAM_BYTES:
        raise ModelCorrupt(f"a .param file of {len(param)} bytes is none")
    network = recognise(parse_param(param.decode("utf-8", errors="replace")))
    width = network.slots[0].outputs
    tensors: dict[str, Weights] = {}
    weights = read_weights(content, network.slots)
    for key, slot, (weight, bias) in zip(network.keys, network.slots, weights, strict=True):
        if slot.kind == "prelu" and slot.outputs == 1:
            tensors[f"{key}.weight"] = np.full(width, weight[0], np.float32)
        else:
            tensors[f"{key}.weight"] = weight
        if bias is not None:
            tensors[f"{key}.bias"] = bias
    return Converted(network.architecture, network.scale, tensors)
