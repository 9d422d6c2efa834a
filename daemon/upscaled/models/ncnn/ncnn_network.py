"""Which network an ncnn `.param` describes, told from what it computes.

The same network is written in several ways (activations fused or not, residuals as Eltwise
or as BinaryOp, other names, other exporters). So the layers are evaluated over symbols, and
the result is compared with that of the network we know, built over the same symbols: equal
expressions are the same number in `Symbols`. Nothing is guessed from names.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from upscaled.errors import ModelCorrupt, ModelUnsupported
from upscaled.models.ncnn.param import Layer
from upscaled.models.ncnn.symbols import Expression, Symbols
from upscaled.models.ncnn.trace import HINT, Slot, Trace

NEAREST = 1
SLOPE = 0.2
RESIDUAL = 0.2
CONVS_IN_DENSE = 5
DENSE_IN_BLOCK = 3
CONVS_IN_BLOCK = CONVS_IN_DENSE * DENSE_IN_BLOCK


@dataclass(frozen=True, slots=True)
class NcnnNetwork:
    architecture: str
    """By spandrel's ids: `ESRGAN` or `Compact`."""
    scale: int
    slots: tuple[Slot, ...]
    """The layers with weights, in the order of the `.bin`."""
    keys: tuple[str, ...]
    """The PyTorch module of each slot."""


def recognise(layers: Sequence[Layer]) -> NcnnNetwork:
    """The network that `layers` compute.

    Raises:
        ModelUnsupported: it is not one of the two that are read from ncnn files.
        ModelCorrupt: the layers do not fit one another.
    """
    trace = Trace()
    for layer in layers:
        trace.add(layer)
    if any(slot.kind == "prelu" for slot in trace.slots):
        network, shapes = _compact(trace)
    else:
        network, shapes = _rrdb(trace)
    for slot, shape in zip(network.slots, shapes, strict=True):
        if (slot.outputs, slot.inputs) != shape:
            raise ModelCorrupt(
                f"{slot.name} turns {slot.inputs} channels into {slot.outputs}; "
                f"in this network it is {shape[1]} into {shape[0]}"
            )
    return network


Shapes = list[tuple[int, int]]
"""(outputs, inputs) of each slot."""


def _rrdb(trace: Trace) -> tuple[NcnnNetwork, Shapes]:
    """RRDBNet of Real-ESRGAN, and the same thing of ESRGAN (BasicSR, rrdbnet_arch.py)."""
    ups, convs = len(trace.resizes), trace.slots
    blocks, rest = divmod(len(convs) - 4 - ups, CONVS_IN_BLOCK)
    if rest or blocks < 1 or trace.output() != _rrdb_expression(trace, blocks, ups):
        raise _unknown(trace)
    wide, grow, picture = convs[0].outputs, convs[1].outputs, convs[-1].outputs
    dense = [(grow, wide + grow * n) for n in range(CONVS_IN_DENSE - 1)]
    dense.append((wide, wide + grow * (CONVS_IN_DENSE - 1)))
    shapes = [(wide, picture * trace.unshuffle**2)]
    shapes += dense * DENSE_IN_BLOCK * blocks
    shapes += [(wide, wide)] * (ups + 2)
    shapes.append((picture, wide))
    keys = [
        "conv_first",
        *(
            f"body.{block}.rdb{dense}.conv{conv}"
            for block in range(blocks)
            for dense in range(1, DENSE_IN_BLOCK + 1)
            for conv in range(1, CONVS_IN_DENSE + 1)
        ),
        "conv_body",
        *(f"conv_up{n}" for n in range(1, ups + 1)),
        "conv_hr",
        "conv_last",
    ]
    scale, rest = divmod(2**ups, trace.unshuffle)
    if rest:
        raise _unknown(trace)
    return NcnnNetwork("ESRGAN", scale, tuple(convs), tuple(keys)), shapes


def _rrdb_expression(trace: Trace, blocks: int, ups: int) -> Expression:
    symbols, numbers = trace.symbols, iter(range(len(trace.slots)))

    def conv(x: Expression) -> Expression:
        return symbols.of("conv", next(numbers), x)

    def leaky(x: Expression) -> Expression:
        return symbols.leaky(SLOPE, x)

    first = conv(symbols.unshuffle(trace.unshuffle, symbols.of("input")))
    body = first
    for _ in range(blocks):
        inner = body
        for _ in range(DENSE_IN_BLOCK):
            grown = [inner]
            for _ in range(CONVS_IN_DENSE - 1):
                grown.append(leaky(conv(symbols.concat(grown))))
            last = conv(symbols.concat(grown))
            inner = symbols.total([(last, RESIDUAL), (inner, 1.0)])
        body = symbols.total([(inner, RESIDUAL), (body, 1.0)])
    x = symbols.total([(first, 1.0), (conv(body), 1.0)])
    for _ in range(ups):
        x = leaky(conv(symbols.resize(NEAREST, 2.0, x)))
    return conv(leaky(conv(x)))


def _compact(trace: Trace) -> tuple[NcnnNetwork, Shapes]:
    """SRVGGNetCompact with PReLU (Real-ESRGAN, srvgg_arch.py)."""
    slots, scale = trace.slots, trace.shuffle
    if len(slots) % 2 == 0 or trace.output() != _compact_expression(
        trace.symbols, len(slots), scale
    ):
        raise _unknown(trace)
    wide = slots[0].outputs
    picture = slots[0].inputs
    shapes = [(wide, wide if slot.kind == "conv" else 0) for slot in slots]
    shapes[0] = (wide, picture)
    shapes[-1] = (picture * scale**2, wide)
    # One slope for all channels is what torch broadcasts; it is spread out when it is read.
    shapes = [
        (slot.outputs, 0) if slot.kind == "prelu" and slot.outputs == 1 else shape
        for slot, shape in zip(slots, shapes, strict=True)
    ]
    keys = tuple(f"body.{n}" for n in range(len(slots)))
    return NcnnNetwork("Compact", scale, tuple(slots), keys), shapes


def _compact_expression(symbols: Symbols, slots: int, scale: int) -> Expression:
    x = picture = symbols.of("input")
    for number in range(slots):
        x = symbols.of("conv" if number % 2 == 0 else "prelu", number, x)
    enlarged = symbols.resize(NEAREST, float(scale), picture)
    return symbols.total([(symbols.shuffle(scale, x), 1.0), (enlarged, 1.0)])


def _unknown(trace: Trace) -> ModelUnsupported:
    shrunk = [factor for factor in trace.resizes if factor < 1]
    if trace.shuffle > 1 and shrunk:
        return ModelUnsupported(
            f"the file shrinks the result of an x{trace.shuffle} network by {shrunk[0]:g}",
            hint=f"use the x{trace.shuffle} file of the same model",
        )
    return ModelUnsupported(
        f"the {len(trace.slots)} layers with weights make neither RRDBNet nor SRVGGNetCompact",
        hint=HINT,
    )
