"""The text half of an ncnn model: one line for each layer, in the order they run.

    7767517
    LAYERS BLOBS
    TYPE NAME INPUTS OUTPUTS input… output… key=value…

A key below -23300 holds an array: `-23310=2,0.5,1` is key 10, two values. Format:
https://github.com/Tencent/ncnn/wiki/param-and-model-file-structure
"""

from collections.abc import Mapping
from dataclasses import dataclass

from upscaled.errors import ModelCorrupt

MAGIC = "7767517"
ARRAY_BASE = -23300

Value = float | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    params: Mapping[int, Value]
    line: int
    """Its line in the file, from 1."""

    def real(self, key: int, default: float) -> float:
        value = self.params.get(key, default)
        if isinstance(value, tuple):
            raise ModelCorrupt(f"line {self.line}: {self.name}: key {key} should be one number")
        return value

    def whole(self, key: int, default: int) -> int:
        value = float(self.real(key, default))
        if not value.is_integer():
            raise ModelCorrupt(f"line {self.line}: {self.name}: {key}={value} should be whole")
        return int(value)

    def reals(self, key: int) -> tuple[float, ...]:
        """The array under `key`; empty where there is none."""
        value = self.params.get(key, ())
        return value if isinstance(value, tuple) else (value,)


def parse_param(text: str) -> tuple[Layer, ...]:
    """The layers in file order.

    Raises:
        ModelCorrupt: the text is no ncnn `.param`, or says other than it holds.
    """
    lines = text.splitlines()
    if not lines or lines[0].strip() != MAGIC:
        raise ModelCorrupt(
            f"this is not an ncnn .param file: its first line is not {MAGIC}",
            hint="the binary form (.param.bin) is not read; use the text form",
        )
    numbered = [(n, line.split()) for n, line in enumerate(lines[1:], start=2) if line.strip()]
    if not numbered:
        raise ModelCorrupt("the .param file ends after its first line")
    declared = _count(numbered[0])
    layers = tuple(_layer(number, words) for number, words in numbered[1:])
    if len(layers) != declared:
        raise ModelCorrupt(f"the .param file declares {declared} layers and holds {len(layers)}")
    return layers


def _count(numbered: tuple[int, list[str]]) -> int:
    number, words = numbered
    match words:
        case [layers, blobs] if layers.isdecimal() and blobs.isdecimal():
            return int(layers)
    raise ModelCorrupt(f"line {number} of the .param file should be two counts")


def _layer(number: int, words: list[str]) -> Layer:
    match words:
        case [kind, name, ins, outs, *rest] if ins.isdecimal() and outs.isdecimal():
            first, last = int(ins), int(ins) + int(outs)
            blobs, settings = rest[:last], rest[last:]
            if len(blobs) == last and not any("=" in blob for blob in blobs):
                params = dict(_param(number, setting) for setting in settings)
                return Layer(kind, name, tuple(blobs[:first]), tuple(blobs[first:]), params, number)
    raise ModelCorrupt(f"line {number} of the .param file is not a layer: {' '.join(words)[:80]}")


def _param(number: int, setting: str) -> tuple[int, Value]:
    key, _, value = setting.partition("=")
    try:
        index = int(key)
        values = tuple(float(part) for part in value.split(","))
    except ValueError:
        raise ModelCorrupt(f"line {number} of the .param file: {setting[:80]!r}") from None
    if index > ARRAY_BASE:
        return index, values[0] if len(values) == 1 else values
    if values[0] != len(values) - 1:
        raise ModelCorrupt(f"line {number} of the .param file: {setting[:80]!r} counts wrongly")
    return ARRAY_BASE - index, values[1:]
