"""The binary half of an ncnn model: the weights of each layer, one after another.

A convolution has a tag of 4 bytes (how its weights are stored), out × in × 3 × 3 weights,
padded to 4 bytes, and float32 biases; a PReLU has float32 slopes. Little endian. Source:
ncnn's ModelBinFromDataReader::load, src/modelbin.cpp.
"""

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from upscaled.errors import ModelCorrupt, ModelUnsupported
from upscaled.models.ncnn.trace import Slot

Weights = NDArray[np.float32]

FLOAT32 = 0
FLOAT16 = 0x01306B47
INT8 = 0x000D4B38
KERNEL_PX = 9


def read_weights(content: bytes, slots: Sequence[Slot]) -> list[tuple[Weights, Weights | None]]:
    """(weight, bias) of each slot: out × in × 3 × 3 and out; slopes have no bias.

    Raises:
        ModelCorrupt: too few bytes or too many, or numbers that are not finite.
        ModelUnsupported: quantised weights.
    """
    reader = _WeightReader(content)
    arrays = [reader.slot(slot) for slot in slots]
    if reader.at != len(content):
        raise ModelCorrupt(
            f"the .bin file has {len(content) - reader.at} bytes more than the .param file says",
            hint="the two files must be of the same model",
        )
    return arrays


class _WeightReader:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    def take(self, size_bytes: int, slot: Slot) -> bytes:
        end = self.at + size_bytes
        if end > len(self.content):
            raise ModelCorrupt(
                f"the .bin file ends inside {slot.name}: "
                f"{len(self.content)} bytes, at least {end} expected",
                hint="copy or download it again",
            )
        taken = self.content[self.at : end]
        self.at = end
        return taken

    def floats(self, count: int, slot: Slot, kind: str = "<f4") -> Weights:
        width = np.dtype(kind).itemsize
        padded = (count * width + 3) // 4 * 4
        values = np.frombuffer(self.take(padded, slot), kind, count).astype(np.float32)
        if not np.isfinite(values).all():
            raise ModelCorrupt(f"the weights of {slot.name} are not all numbers")
        return values

    def slot(self, slot: Slot) -> tuple[Weights, Weights | None]:
        if slot.kind == "prelu":
            return self.floats(slot.outputs, slot), None
        weight = self.conv_weight(slot)
        # ncnn leaves out a bias of zeros; the PyTorch modules always have one.
        bias = self.floats(slot.outputs, slot) if slot.bias else np.zeros(slot.outputs, np.float32)
        return weight, bias

    def conv_weight(self, slot: Slot) -> Weights:
        (tag,) = struct.unpack("<I", self.take(4, slot))
        if tag not in (FLOAT32, FLOAT16):
            kind = "int8" if tag == INT8 else "quantised or unknown"
            raise ModelUnsupported(
                f"the weights of {slot.name} are {kind} (tag {tag:#010x})",
                hint="use the float16 or float32 file of this model",
            )
        count = slot.outputs * slot.inputs * KERNEL_PX
        weight = self.floats(count, slot, "<f2" if tag == FLOAT16 else "<f4")
        return weight.reshape(slot.outputs, slot.inputs, 3, 3)
