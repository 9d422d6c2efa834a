"""Measures the engine against the machine's own arithmetic, and against peers, in one run."""

import platform
import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch

from upscaled.engine.bench.peers import open_peer
from upscaled.engine.tiling.tile_io import Pixels
from upscaled.engine.upscaler import TorchUpscaler, open_upscaler
from upscaled.errors import UpscaledError

OURS = "upscaled"
_MATRIX = 2048
_PRODUCTS = 5
"""Before and after each call. One takes 10 to 20 ms: the fastest of many would catch a moment in
which the machine is faster than it is in any two seconds, and be unfair to whatever takes long."""
_COMPARED_PX = 96
_PATIENCE_S = 45.0
"""What takes longer is measured once: the machine's moods cancel out over so long a time."""


@dataclass(frozen=True, slots=True)
class Measurement:
    engine: str
    size_px: int
    seconds: float
    """The median of its rounds."""
    scale: int
    macs_per_px: int
    product_gflops: float = 0.0
    """Of matrix products just before and after, in the median too."""
    tile_px: int | None = None
    peak_mb: int | None = None
    """Of the process so far."""
    rounds: int = 1
    times_ours: float | None = None
    """How many times as long as our own on the same picture."""
    error: str | None = None

    @property
    def us_per_px(self) -> float:
        return self.seconds / self.size_px**2 * 1e6

    @property
    def gflops(self) -> float:
        return 2 * self.macs_per_px * self.size_px**2 / self.seconds / 1e9

    def plain(self) -> dict[str, Any]:
        """For JSON and tables. MP: a million pixels."""
        row: dict[str, Any] = {"engine": self.engine, "size_px": self.size_px}
        if self.error is not None:
            return row | {"error": self.error}
        mp_in = self.size_px**2 / self.seconds / 1e6
        return row | {
            "seconds": round(self.seconds, 3),
            "us_per_px": round(self.us_per_px, 1),
            "mp_in_per_s": round(mp_in, 4),
            "mp_out_per_s": round(mp_in * self.scale**2, 3),
            "gflops": round(self.gflops, 1),
            "matmul_share": round(self.gflops / self.product_gflops, 3),
            "tile_px": self.tile_px,
            "peak_mb": self.peak_mb,
            "rounds": self.rounds,
            "times_ours": self.times_ours and round(self.times_ours, 2),
        }


def machine() -> dict[str, Any]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return {
        "cpu": names[0] if names else platform.processor(),
        "threads": torch.get_num_threads(),
        "gpu": gpu,
        "torch": torch.__version__,
    }


@dataclass(slots=True)
class _Call:
    """One engine on one picture, and what was measured of it."""

    found: Measurement
    call: Callable[[], object]
    taken_s: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    """Of matrix products around it."""

    @property
    def is_due(self) -> bool:
        return not self.taken_s or self.taken_s[0] < _PATIENCE_S

    def result(self) -> Measurement:
        return replace(
            self.found,
            seconds=median(self.taken_s),
            product_gflops=median(self.rates),
            rounds=len(self.taken_s),
        )


def measure(
    model_file: Path,
    *,
    sizes_px: Sequence[int],
    against: Sequence[tuple[str, int]],
    device: str,
    precision: str,
    rounds: int = 3,
    compile_network: bool = False,
) -> tuple[float, list[Measurement]]:
    """GFLOP/s of one large matrix product, and what was measured: ours first, then the peers.

    Each is the median of `rounds`, in which all take turns, with matrix products in between: the
    speed of a machine that others use too changes by the second, and should hit all alike. What
    takes long is measured once. A peer (name, picture's edge) that cannot run gives its error.
    """
    ours = open_upscaler(
        model_file, device=device, precision=precision, compile_network=compile_network
    )
    product = _product(ours)
    calls = [_ours(ours, size, product) for size in sorted(sizes_px)]
    failed: list[Measurement] = []
    for name, size in against:
        try:
            calls.append(_peer(name, model_file, size, ours))
        except UpscaledError as error:
            failed.append(Measurement(name, size, 0, 1, 0, error=str(error)))
    before = _product_rates(product)
    for _ in range(rounds):
        for each in calls:
            if each.is_due:
                each.taken_s.append(_seconds(each.call))
                after = _product_rates(product)
                each.rates += before + after
                before = after
    done = _compared([each.result() for each in calls])
    return median(rate for each in calls for rate in each.rates), [*done, *failed]


def _compared(rows: Sequence[Measurement]) -> list[Measurement]:
    own_s = {row.size_px: row.seconds for row in rows if row.engine == OURS}
    return [
        replace(row, times_ours=row.seconds / own_s[row.size_px])
        if row.engine != OURS and row.size_px in own_s
        else row
        for row in rows
    ]


def _product_rates(product: Callable[[], object]) -> list[float]:
    return [2 * _MATRIX**3 / _seconds(product) / 1e9 for _ in range(_PRODUCTS)]


def _ours(upscaler: TorchUpscaler, size_px: int, product: Callable[[], object]) -> _Call:
    """Runs once, for the peak of memory before any peer is loaded."""
    pixels = photo(size_px)
    rates = _product_rates(product)
    first_s = _seconds(lambda: run(upscaler, pixels))
    found = Measurement(
        OURS,
        size_px,
        0,
        upscaler.scale,
        upscaler.macs_per_px,
        tile_px=upscaler.tile_px,
        peak_mb=peak_mb(),
    )
    call = _Call(found, lambda: run(upscaler, pixels))
    if first_s > _PATIENCE_S:
        call.taken_s.append(first_s)
        call.rates += rates + _product_rates(product)
    return call


def _peer(name: str, model_file: Path, size_px: int, ours: TorchUpscaler) -> _Call:
    peer = open_peer(name, model_file, size_px)
    pixels = photo(size_px)
    return _Call(Measurement(name, size_px, 0, ours.scale, ours.macs_per_px), lambda: peer(pixels))


def _product(upscaler: TorchUpscaler) -> Callable[[], object]:
    """One large matrix product in the upscaler's precision, on its device."""
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
    first, second = (
        torch.rand(_MATRIX, _MATRIX, device=upscaler.device).to(dtype[upscaler.precision])
        for _ in range(2)
    )

    def call() -> object:
        result = first @ second
        if result.is_cuda:
            torch.cuda.synchronize()
        return result

    return call


def _seconds(call: Callable[[], object]) -> float:
    started = perf_counter()
    call()
    return perf_counter() - started


def decibel_against_fp32(model_file: Path, device: str, precision: str) -> float | None:
    """How close the chosen precision is to fp32; None: it is fp32, or fp32 stood in for it."""
    ours = open_upscaler(model_file, device=device, precision=precision)
    if ours.precision == "fp32":
        return None
    exact = open_upscaler(model_file, device=device, precision="fp32")
    pixels = photo(_COMPARED_PX)
    error = run(ours, pixels).astype(np.float64) - run(exact, pixels)
    if not error.any():
        return None
    return round(float(10 * np.log10(255**2 / np.square(error).mean())), 1)


def run(upscaler: TorchUpscaler, pixels: Pixels) -> Pixels:
    return upscaler.upscale(pixels, progress=lambda _done, _all: None, cancelled=lambda: False)


def photo(size_px: int) -> Pixels:
    """Soft shapes with edges and some noise. The content does not change the speed."""
    rows, columns = np.mgrid[0:size_px, 0:size_px]
    noise = np.random.default_rng(size_px)
    waves = np.stack([np.sin(rows / 19 + k) * np.cos(columns / 23 - k) for k in range(3)], 2)
    unit = 0.5 + 0.3 * waves + 0.1 * ((rows // 24 + columns // 31) % 2)[..., None]
    unit += noise.normal(0, 0.01, unit.shape)
    pixels: Pixels = (unit.clip(0, 1) * 255).astype(np.uint8)
    return pixels


def peak_mb() -> int:
    """The most that this process has held, in units of 2^20 bytes."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) // 1024
    except (OSError, StopIteration):
        pass
    # Where there is no /proc. On Linux it may be the peak of the parent, which exec hands on.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
