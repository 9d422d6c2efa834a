"""ncnn files to a safetensors file that can later be checked to the last bit.

Needs numpy: imported where a file is converted or verified, never by the supervisor.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from upscaled.errors import ModelCorrupt
from upscaled.models.ncnn.convert import convert
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
