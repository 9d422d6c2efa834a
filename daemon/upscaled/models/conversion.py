"""ncnn files to a safetensors file that can later be checked to the last bit.

Needs numpy: imported where a file is converted or verified, never by the supervisor.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from upscaled.errors import ModelCorrupt
from upscaled.models.ncnn.ncnn_network import recognise
from upscaled.models.ncnn.param import parse_param
from upscaled.models.ncnn.weights import Weights, read_weights
from upscaled.models.safetensors_header import CONVERSION, TENSORS_SHA256

HINT = "it is removed; the next use makes it again, or `upscaled models pull`"


def convert_files(param: Path, weights: Path, target: Path, facts: Mapping[str, str]) -> None:
    """Write `target` with the weights in float32, and `facts` and more as its metadata.

    Raises:
        ModelCorrupt, ModelUnsupported: as `convert` does.
    """
    converted = convert(param.read_bytes(), weights.read_bytes())
    metadata = {
        "format": "pt",
        "architecture": converted.architecture,
        "scale": str(converted.scale),
        "conversion": CONVERSION,
        TENSORS_SHA256: digest(converted.tensors),
        **facts,
    }
    safetensors.numpy.save_file(converted.tensors, target, metadata=metadata)


def digest(tensors: Mapping[str, NDArray[np.generic]]) -> str:
    """Hex SHA-256 over all names, dtypes, shapes and bytes."""
    state = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        state.update(f"{name}\0{tensor.dtype.str}\0{tensor.shape}\0".encode())
        state.update(np.ascontiguousarray(tensor).data)
    return state.hexdigest()


def verify_converted(path: Path, promised: str | None) -> None:
    """Read every byte.

    Raises:
        ModelCorrupt: something differs from what was written.
    """
    try:
        tensors = safetensors.numpy.load_file(path)
    except (safetensors.SafetensorError, ValueError) as error:
        raise ModelCorrupt(f"{path} is damaged: {error}", hint=HINT) from error
    if digest(tensors) != promised:
        raise ModelCorrupt(
            f"{path} is damaged: its weights are not those that were written", hint=HINT
        )


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
