"""One picture through an exact plan, within the memory that there is now."""

from collections.abc import Callable
from time import perf_counter

import numpy as np
import torch

from upscaled.engine.device import Device, lacks_kernel
from upscaled.engine.device_memory import Place, Room, maps_place
from upscaled.engine.plans.plan import Plan
from upscaled.engine.tiling.bands import Band, SeamBlend, bands
from upscaled.engine.tiling.block_run import BlockRun
from upscaled.engine.tiling.oom_retry import OomRetry
from upscaled.engine.tiling.tile_budget import TileBudget
from upscaled.engine.tiling.tile_io import Pixels, TileReader, TileWriter
from upscaled.engine.tiling.tile_pool import TilePool, core_threads
from upscaled.engine.tiling.tiles import Size
from upscaled.engine.tiling.tuning import Learned, affordable_elements
from upscaled.errors import OutOfMemory

_TELLING_PX = 100_000
"""Pictures from this size on say something about speed."""


class ExactRun:
    """What it found worth telling is in `notes` and `tile_px` afterwards."""

    def __init__(
        self,
        plan: Plan,
        device: Device,
        learned: Learned,
        *,
        memory_bytes: int | None,
        forced_tile_px: int | None,
        progress: Callable[[int, int], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self._plan = plan
        self._device = device
        self._learned = learned
        self._memory_bytes = memory_bytes
        self._forced_tile_px = forced_tile_px
        self._progress = progress
        self._cancelled = cancelled
        self._units = 0
        self._all_units = 0
        self.notes: list[str] = []
        self.tile_px: int | None = None

    def run(self, pixels: Pixels) -> TileWriter:
        size = self._grid(*pixels.shape[:2])
        maps_bytes = self._maps_bytes(size)
        result_bytes = pixels.nbytes * self._plan.scale**2
        room = Room.now(self._device.where, self._memory_bytes, result_bytes)
        if room.is_over_budget(maps_bytes):
            left = (room.budget_bytes or 0) >> 20
            self.notes.append(
                f"exact tiles need {-(-maps_bytes >> 20)} MB more than this process has, "
                f"and memory: leaves {left} MB"
            )
        place = maps_place(maps_bytes, room)
        if place == "bands":
            return self._in_bands(pixels, room)
        self._all_units = self._plan.macs_per_px * size.area
        return self._whole(pixels, place, room.tiles_bytes(maps_bytes, place))

    def _grid(self, height: int, width: int) -> Size:
        return Size(-(-height // self._plan.unshuffle), -(-width // self._plan.unshuffle))

    def _maps_bytes(self, size: Size) -> int:
        element_bytes: int = self._device.dtype.itemsize
        return self._plan.peak_map_channels() * size.area * element_bytes

    def _in_bands(self, pixels: Pixels, room: Room) -> TileWriter:
        height, width, _ = pixels.shape
        scale, multiple = self._plan.scale, self._plan.unshuffle
        cut = bands(
            height,
            most_rows=room.host_bytes // 2 * multiple // self._maps_bytes(self._grid(1, width)),
            reach_px=self._plan.reach_px * multiple,
            multiple=multiple,
        )
        if cut is None:
            raise OutOfMemory(
                f"{width}×{height} px: not even a band of it fits the memory there is",
                hint="Close other programs, or make memory: in the configuration larger.",
            )
        sizes = [self._grid(band.bottom - band.top, width) for band in cut]
        self._all_units = self._plan.macs_per_px * sum(size.area for size in sizes)
        target = TileWriter(height * scale, width * scale, pixels.dtype)
        seams = SeamBlend()
        below: Pixels | None = None
        for band, size in zip(cut, sizes, strict=True):
            tiles_bytes = room.tiles_bytes(self._maps_bytes(size), "host")
            part = self._whole(pixels[band.top : band.bottom], "host", tiles_bytes)
            first, last = _kept_rows(band, scale)
            if below is not None:
                seams.compare(below, part.pixels[first : first + len(below)])
            below = part.pixels[last : last + multiple * scale].copy()
            target.adopt(band.first * scale, part, first, last)
        self.notes.append(seams.note(len(cut), int(np.iinfo(pixels.dtype).max)))
        return target

    def _whole(self, pixels: Pixels, place: Place, tiles_bytes: int) -> TileWriter:
        height, width, _ = pixels.shape
        source = TileReader(pixels, self._device, self._plan.unshuffle)
        target = TileWriter(height * self._plan.scale, width * self._plan.scale, pixels.dtype)
        if self._device.is_cuda:
            self._plan.scratch.release()  # what is kept from the last picture would not be counted
        trial = self._trial(tiles_bytes)
        maps_on = self._device.where if place == "device" else torch.device("cpu")
        taken = _PeakOfCuda(self._device)
        started = perf_counter()
        with core_threads(trial.workers) as pool:
            crew = TilePool(trial.workers, pool, cancelled=self._cancelled, advance=self._advance)
            run = BlockRun(
                self._plan,
                self._device,
                attempts=trial.attempts,
                crew=crew,
                tile_for=trial.size_for,
                maps_on=maps_on,
            )
            try:
                run.run(source, target)
            except RuntimeError as error:
                if lacks_kernel(error) and trial.attempts.smallest_failure is not None:
                    self._learned.record_lost(trial.aim, trial.attempts.smallest_failure)
                raise
        self.tile_px = max(trial.largest_px, self.tile_px or 0)
        if crew.missing:
            done_on = f"done on {trial.workers - crew.missing} of {trial.workers} cores"
            note = f"{done_on}: no more threads to be had"
            self.notes += [note] if note not in self.notes else []  # once for all bands
        peak_bytes = taken.bytes() if run.maps_on == maps_on else None
        if peak_bytes is not None and place == "device":
            peak_bytes -= self._maps_bytes(source.size)
        self._learn(trial, source.size, perf_counter() - started, peak_bytes)
        return target

    def _trial(self, free_bytes: int) -> TileBudget:
        workers = torch.get_num_threads() if self._device.is_cpu else 1
        aim = self._learned.aim(self._device.where.type)
        elements = affordable_elements(
            self._learned,
            aim=aim,
            free_bytes=free_bytes,
            workers=workers,
            element_bytes=self._device.dtype.itemsize,
        )
        attempts = OomRetry(self._device, self._plan.scratch.release)
        return TileBudget(
            aim, elements, workers, attempts, self._forced_tile_px, self._learned.ceiling
        )

    def _learn(self, trial: TileBudget, size: Size, seconds: float, peak_bytes: int | None) -> None:
        """`peak_bytes`: what tiles took at most, without the maps; None: it cannot be told."""
        # Where nothing fitted there is an error by now: that is of the moment, not of a size.
        if trial.attempts.smallest_failure is not None:
            self._learned.record_failure(trial.aim, trial.attempts.smallest_failure)
        elif trial.is_capped:
            self._learned.record_fit()
        elif trial.are_as_aimed:
            tells = size.area >= _TELLING_PX
            speed = self._plan.macs_per_px * size.area / seconds
            self._learned.record_success(trial.aim, speed if tells else None)
            if tells and peak_bytes is not None:
                self._learned.bytes_per_element = max(1, peak_bytes) / trial.largest_elements

    def _advance(self, units: int) -> None:
        self._units += units
        self._progress(self._units, self._all_units)


class _PeakOfCuda:
    """Memory that torch takes on a CUDA device, from now on and above what it has now."""

    def __init__(self, device: Device) -> None:
        self._where = device.where if device.is_cuda else None
        if self._where is not None:
            torch.cuda.reset_peak_memory_stats(self._where)
            self._before = torch.cuda.memory_allocated(self._where)

    def bytes(self) -> int | None:
        if self._where is None:
            return None
        return int(torch.cuda.max_memory_allocated(self._where)) - self._before


def _kept_rows(band: Band, scale: int) -> tuple[int, int]:
    """Of the band's own result."""
    return (band.first - band.top) * scale, (band.last - band.top) * scale
