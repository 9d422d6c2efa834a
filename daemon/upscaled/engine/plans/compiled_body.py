"""`compile: true`: blocks through torch's compiler, each shape checked before it is trusted.

Inductor of PyTorch 2.13 was seen to make something else of RRDBNet (6.9 dB from eager, with
freezing). So what is compiled has to agree with the eager block on the very tile at hand; until
then, and where it does not, the eager block's result is used.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from math import isfinite, log10
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from upscaled.engine.device import Device, is_lost
from upscaled.engine.network import Network
from upscaled.engine.plans.esrgan import RESIDUAL, DenseBlock, dense_blocks
from upscaled.engine.plans.plan import Body, Exactness, Plan, PlanBlock, shrunk
from upscaled.engine.plans.whole_network import compact_module, span_module
from upscaled.engine.tiling.tiles import Box

_OFTEN = 4
"""So many tiles of one shape are done before it is compiled, which takes as long as hundreds."""
_MOST_SHAPES = 6
"""For each network: pictures of all sizes would keep the compiler busy for ever."""
_RECOMPILES = 64
"""torch's own limit is 8 for one function, which all networks of the process share."""
_LEAST_DB = 40.0
"""Of signal against difference, for one block. bf16 alone gives 45 to 55; noise gives 0."""

_log = logging.getLogger(__name__)


class Compilation:
    """What is compiled of one network, and how that went."""

    def __init__(self, function: Callable[..., Tensor] | None) -> None:
        """`function`: of one tile and weights; None: nothing of this network can be compiled."""
        self._function = function
        self._compiled: Callable[..., Tensor] | None = None
        self._lock = threading.Lock()
        self._seen: Counter[torch.Size] = Counter()
        self._tried: set[torch.Size] = set()
        self._trusted: set[torch.Size] = set()
        self.trouble = "no exact plan is known" if function is None else None

    def __str__(self) -> str:
        """For `status`; asked by another thread."""
        if self.trouble is not None:
            return f"not compiled: {self.trouble}"
        count = len(self._trusted)
        return f"{count} tile shape{'' if count == 1 else 's'} compiled"

    def trusts(self, shape: torch.Size) -> bool:
        return shape in self._trusted and self.trouble is None

    def run(self, *tensors: Tensor) -> Tensor:
        with self._lock:
            if self._compiled is None:
                self._compiled = _compiler()(self._function)
        return self._compiled(*tensors)

    def consider(self, shape: torch.Size, run: Callable[[], Tensor], expected: Tensor) -> None:
        """One more tile of `shape` was done; `run` does it compiled, `expected` was the result.

        Other threads go on with eager tiles meanwhile.

        Raises:
            RuntimeError: the device is lost.
        """
        with self._lock:
            self._seen[shape] += 1
            is_due = self._seen[shape] >= _OFTEN and shape not in self._tried
            if self.trouble is not None or not is_due or len(self._tried) >= _MOST_SHAPES:
                return
            self._tried.add(shape)
        try:
            found = run()
        except Exception as error:
            # A compiler fails in any way: no gcc, no triton, an operator that it lacks.
            if is_lost(error):
                raise
            lines = (str(error) or type(error).__name__).strip().splitlines()
            self._give_up(f"{type(error).__name__}: {lines[0]}")
            return
        closeness_db = _closeness_db(found, expected)
        if closeness_db < _LEAST_DB:
            self._give_up(f"its result is {closeness_db:.0f} dB from what it should be")
        else:
            self._trusted.add(shape)

    def _give_up(self, reason: str) -> None:
        with self._lock:
            is_first = self.trouble is None
            self.trouble = self.trouble or reason
        if is_first:
            _log.warning("the network is run as it is, not compiled: %s", reason)


@dataclass(frozen=True, slots=True)
class CompiledBody:
    """A block's body that is `eager` until the shape at hand is compiled and trusted."""

    eager: Body
    compilation: Compilation
    weights: tuple[Tensor, ...] = ()
    scale: int = 1
    gain: float = 1.0
    """Of the result, where it is added to a shortcut."""

    def __call__(
        self, source: Tensor, region: Box, core: Box, inside: Box, shortcut: Tensor | None
    ) -> Tensor:
        def run() -> Tensor:
            # A view of a feature map has strides of its own, which would be compiled in.
            tile = source.contiguous(memory_format=torch.channels_last)
            whole = self.compilation.run(tile, *self.weights)
            result = shrunk(whole, core.within(region).scaled(self.scale))
            return result if shortcut is None else torch.add(shortcut, result, alpha=self.gain)

        if self.compilation.trusts(source.shape):
            return run()
        result = self.eager(source, region, core, inside, shortcut)
        self.compilation.consider(source.shape, run, result)
        return result


def compiled(plan: Plan, network: Network, device: Device) -> tuple[Plan, Compilation]:
    """`plan` with its heavy blocks compiled: dense blocks of ESRGAN, Compact and SPAN whole."""
    if plan.exactness is Exactness.FEATHERED:
        return plan, Compilation(None)
    if network.architecture == "ESRGAN":
        return _dense_compiled(plan, network.module, device)
    plain = replace(device, fused=False)
    module = compact_module if network.architecture == "Compact" else span_module
    compilation = Compilation(module(network.module, network.scale, plain))
    (block,) = plan.blocks
    body = CompiledBody(block.body, compilation, scale=block.scale)
    return replace(plan, blocks=(replace(block, body=body),)), compilation


def _dense_compiled(plan: Plan, net: Any, device: Device) -> tuple[Plan, Compilation]:
    modules = iter(dense_blocks(net))
    compilation = Compilation(_dense)
    blocks: list[PlanBlock] = []
    for block in plan.blocks:
        body: Body = block.body
        if isinstance(body, DenseBlock):
            body = CompiledBody(body, compilation, _weights(next(modules), device), gain=RESIDUAL)
        blocks.append(replace(block, body=body))
    if not any(isinstance(block.body, CompiledBody) for block in blocks):
        return plan, Compilation(None)
    return replace(plan, blocks=tuple(blocks)), compilation


def _dense(source: Tensor, *weights: Tensor) -> Tensor:
    """`source` + 0.2 × its dense block; weight and bias of each convolution, the last × 0.2."""
    held = source
    for index in range(0, len(weights) - 2, 2):
        fresh = functional.conv2d(held, weights[index], weights[index + 1], padding=1)
        held = torch.cat((held, functional.leaky_relu(fresh, 0.2)), 1)
    return source + functional.conv2d(held, weights[-2], weights[-1], padding=1)


def _weights(block: Any, device: Device) -> tuple[Tensor, ...]:
    layers = [block.conv1[0], block.conv2[0], block.conv3[0], block.conv4[0], block.conv5[0]]
    gains = (1.0, 1.0, 1.0, 1.0, RESIDUAL)
    pairs = [
        (_moved(layer.weight * gain, device), _moved(layer.bias * gain, device))
        for layer, gain in zip(layers, gains, strict=True)
    ]
    return tuple(chain.from_iterable(pairs))


def _moved(tensor: Tensor, device: Device) -> Tensor:
    moved = tensor.detach().to(device.where, device.dtype)
    return moved.contiguous(memory_format=torch.channels_last) if moved.ndim > 1 else moved


def _compiler() -> Callable[..., Any]:
    """`torch.compile` for fixed shapes. Imported late: the compiler is 150 MB of modules."""
    import torch._dynamo.config as dynamo  # noqa: PLC0415 (as said)
    import torch._inductor.config as inductor  # noqa: PLC0415

    dynamo.recompile_limit = _RECOMPILES
    inductor.compile_threads = 1  # more are processes, which would outlive a worker that is killed
    return lambda function: torch.compile(function, dynamic=False, fullgraph=True)


def _closeness_db(found: Tensor, expected: Tensor) -> float:
    """0: as far off as black would be, or not a number somewhere."""
    error = float((found.float() - expected.float()).square().mean())
    power = float(expected.float().square().mean())
    return 10 * log10(max(power, 1e-30) / max(error, 1e-30)) if isfinite(error) else 0.0
