"""The layers of an ncnn `.param`, evaluated over symbols instead of pixels."""

from collections.abc import Callable
from dataclasses import dataclass

from upscaled.errors import ModelCorrupt, ModelUnsupported
from upscaled.models.ncnn.param import Layer
from upscaled.models.ncnn.symbols import Expression, Symbols

HINT = (
    "ncnn files of RRDBNet (ESRGAN, Real-ESRGAN) and SRVGGNetCompact are read; "
    "for any other network use its .pth or .safetensors file"
)
MOST_JOINED = 64
MOST_ENLARGED = 16


@dataclass(frozen=True, slots=True)
class Slot:
    """A layer that has weights in the `.bin`, in file order."""

    name: str
    kind: str
    """`conv` or `prelu`."""
    outputs: int
    inputs: int = 0
    """Channels; 0 for `prelu`."""
    bias: bool = True


class Trace:
    """The layers evaluated one by one over symbols."""

    def __init__(self) -> None:
        self.symbols = Symbols()
        self.blobs: dict[str, Expression] = {}
        self.unread: set[str] = set()
        self.slots: list[Slot] = []
        self.resizes: list[float] = []
        self.shuffle = 1
        self.unshuffle = 1

    def output(self) -> Expression:
        """What the one blob that nothing reads holds."""
        if len(self.unread) != 1:
            raise ModelUnsupported(f"the network has {len(self.unread)} outputs", hint=HINT)
        return self.blobs[next(iter(self.unread))]

    def add(self, layer: Layer) -> None:
        step = STEPS.get(layer.kind)
        if step is None:
            raise ModelUnsupported(
                f"line {layer.line}: layer {layer.kind} ({layer.name}) is not known", hint=HINT
            )
        missing = [blob for blob in layer.inputs if blob not in self.blobs]
        if missing or not layer.outputs or bool(layer.inputs) == (layer.kind == "Input"):
            raise ModelCorrupt(f"line {layer.line}: {layer.name} reads what nothing wrote")
        result = step(self, layer, [self.blobs[blob] for blob in layer.inputs])
        self.unread.difference_update(layer.inputs)
        for blob in layer.outputs:
            if blob in self.blobs:
                raise ModelCorrupt(f"line {layer.line}: {blob} is written twice")
            self.blobs[blob] = result
            self.unread.add(blob)


def _input(trace: Trace, layer: Layer, _: list[Expression]) -> Expression:
    if trace.blobs:
        raise ModelUnsupported(f"line {layer.line}: the network has two inputs", hint=HINT)
    return trace.symbols.of("input")


def _same(_: Trace, layer: Layer, xs: list[Expression]) -> Expression:
    if len(xs) != 1:
        raise ModelCorrupt(f"line {layer.line}: {layer.name} takes one input")
    return xs[0]


def _convolution(trace: Trace, layer: Layer, xs: list[Expression]) -> Expression:
    width, pad = layer.whole(1, 0), layer.whole(4, 0)
    plain = (
        (width, layer.whole(11, width)) == (3, 3)
        and (layer.whole(2, 1), layer.whole(12, 1)) == (1, 1)
        and (layer.whole(3, 1), layer.whole(13, 1)) == (1, 1)
        and {pad, *(layer.whole(key, pad) for key in (14, 15, 16))} == {1}
        and layer.real(18, 0) == 0
        and layer.whole(19, 0) == 0
        and len(xs) == 1
    )
    if not plain:
        raise ModelUnsupported(
            f"line {layer.line}: {layer.name} is not a plain 3×3 convolution", hint=HINT
        )
    if layer.whole(8, 0):
        raise ModelUnsupported(f"line {layer.line}: {layer.name} is quantised to int8", hint=HINT)
    outputs, size = layer.whole(0, 0), layer.whole(6, 0)
    inputs, rest = divmod(size, outputs * 9) if outputs > 0 else (0, 1)
    if rest or inputs < 1:
        raise ModelCorrupt(f"line {layer.line}: {size} weights do not make {outputs} channels")
    trace.slots.append(Slot(layer.name, "conv", outputs, inputs, bool(layer.whole(5, 0))))
    return _activated(trace, layer, trace.symbols.of("conv", len(trace.slots) - 1, xs[0]))


def _activated(trace: Trace, layer: Layer, x: Expression) -> Expression:
    match layer.whole(9, 0), layer.reals(10):
        case 0, _:
            return x
        case 1, _:
            return trace.symbols.leaky(0.0, x)
        case 2, (slope,):
            return trace.symbols.leaky(slope, x)
    raise ModelUnsupported(f"line {layer.line}: activation of {layer.name}", hint=HINT)


def _relu(trace: Trace, layer: Layer, xs: list[Expression]) -> Expression:
    return trace.symbols.leaky(layer.real(0, 0.0), _same(trace, layer, xs))


def _prelu(trace: Trace, layer: Layer, xs: list[Expression]) -> Expression:
    slopes = layer.whole(0, 0)
    if slopes < 1:
        raise ModelCorrupt(f"line {layer.line}: {layer.name} has {slopes} slopes")
    trace.slots.append(Slot(layer.name, "prelu", slopes))
    return trace.symbols.of("prelu", len(trace.slots) - 1, _same(trace, layer, xs))


def _eltwise(trace: Trace, layer: Layer, xs: list[Expression]) -> Expression:
    factors = layer.reals(1) or (1.0,) * len(xs)
    if layer.whole(0, 0) != 1 or len(factors) != len(xs):
        raise ModelUnsupported(f"line {layer.line}: {layer.name} is not a sum", hint=HINT)
    return trace.symbols.total(list(zip(xs, factors, strict=True)))


def _binary(trace: Trace, layer: Layer, xs: list[Expression]) -> Expression:
    match layer.whole(0, 0), layer.whole(1, 0), xs:
        case 0, 0, [a, b]:
            return trace.symbols.total([(a, 1.0), (b, 1.0)])
        case 2, 1, [a]:
            return trace.symbols.total([(a, layer.real(2, 0.0))])
    raise ModelUnsupported(f"line {layer.line}: {layer.name} is neither x+y nor x·c", hint=HINT)


def _concat(trace: Trace, layer: Layer, xs: list[Expression]) -> Expression:
    joined = trace.symbols.concat(xs)
    # Concats of concats double with each line; a file must not be able to fill the memory.
    if layer.whole(0, 0) != 0 or len(trace.symbols.parts.get(joined, ())) > MOST_JOINED:
        raise ModelUnsupported(f"line {layer.line}: {layer.name} is not a plain concat", hint=HINT)
    return joined


def _interp(trace: Trace, layer: Layer, xs: list[Expression]) -> Expression:
    factor = layer.real(1, 1.0)
    if layer.whole(3, 0) or layer.whole(4, 0) or layer.real(2, 1.0) != factor:
        raise ModelUnsupported(f"line {layer.line}: {layer.name} keeps no shape", hint=HINT)
    trace.resizes.append(factor)
    return trace.symbols.resize(layer.whole(0, 0), factor, _same(trace, layer, xs))


def _pixel_shuffle(trace: Trace, layer: Layer, xs: list[Expression]) -> Expression:
    if layer.whole(1, 0) != 0:
        raise ModelUnsupported(f"line {layer.line}: {layer.name}: order of channels", hint=HINT)
    trace.shuffle = _factor(layer)
    return trace.symbols.shuffle(trace.shuffle, _same(trace, layer, xs))


def _reorg(trace: Trace, layer: Layer, xs: list[Expression]) -> Expression:
    # Mode 0 is torch's pixel_unshuffle; mode 1 orders the channels otherwise.
    if layer.whole(1, 0) != 0:
        raise ModelUnsupported(f"line {layer.line}: {layer.name}: order of channels", hint=HINT)
    trace.unshuffle = _factor(layer)
    return trace.symbols.unshuffle(trace.unshuffle, _same(trace, layer, xs))


def _factor(layer: Layer) -> int:
    factor = layer.whole(0, 1)
    if not 1 <= factor <= MOST_ENLARGED:
        raise ModelUnsupported(f"line {layer.line}: {layer.name} by {factor}", hint=HINT)
    return factor


STEPS: dict[str, Callable[[Trace, Layer, list[Expression]], Expression]] = {
    "Input": _input,
    "Split": _same,
    "Noop": _same,
    "Convolution": _convolution,
    "ReLU": _relu,
    "PReLU": _prelu,
    "Eltwise": _eltwise,
    "BinaryOp": _binary,
    "Concat": _concat,
    "Interp": _interp,
    "PixelShuffle": _pixel_shuffle,
    "Reorg": _reorg,
}
