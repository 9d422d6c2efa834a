"""One picture through an exact plan, within the memory that there is now."""

from collections.abc import Callable
from math import isqrt
from time import perf_counter

import numpy as np
import torch

from upscaled.engine.attempts import Attempts
from upscaled.engine.bands import Band, Seams, bands
from upscaled.engine.crew import Crew, core_threads
from upscaled.engine.device import Device, lacks_kernel
from upscaled.engine.memory import Place, Room, maps_place
from upscaled.engine.picture import Pixels, Source, Target
from upscaled.engine.plan import Block, Plan
from upscaled.engine.run import BlockRun
from upscaled.engine.tiles import Size, best_tile
from upscaled.engine.tuning import Learned, affordable_elements
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

    def run(self, pixels: Pixels) -> Target:
        size = self._grid(*pixels.shape[:2])
        maps_bytes = self._maps_bytes(size)
        result_bytes = pixels.nbytes * self._plan.scale**2
        room = Room.now(self._device.where, self._memory_bytes, result_bytes)
        if room.is_over_budget(maps_bytes):
            self.notes.append(
                f"needs {-(-maps_bytes >> 20)} MB for exact tiles, more than memory: allows"
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

    def _in_bands(self, pixels: Pixels, room: Room) -> Target:
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
        target = Target(height * scale, width * scale, pixels.dtype)
        seams = Seams()
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

    def _whole(self, pixels: Pixels, place: Place, tiles_bytes: int) -> Target:
        height, width, _ = pixels.shape
        source = Source(pixels, self._device, self._plan.unshuffle)
        target = Target(height * self._plan.scale, width * self._plan.scale, pixels.dtype)
        attempts = Attempts(self._device, self._plan.scratch.release)
        workers = torch.get_num_threads() if self._device.is_cpu else 1
        aim = self._learned.aim(self._device.where.type)
        elements = affordable_elements(
            self._learned,
            aim=aim,
            free_bytes=tiles_bytes,
            workers=workers,
            element_bytes=self._device.dtype.itemsize,
        )

        largest = 1

        def tile_for(block: Block, size: Size) -> Size:
            nonlocal largest
            tile = self._tile_for(block, size, min(elements, attempts.limit), workers)
            largest = max(largest, tile.area * block.elements_per_px)
            self.tile_px = max(1, isqrt(tile.area), self.tile_px or 0)
            return tile

        maps_on = self._device.where if place == "device" else torch.device("cpu")
        if self._device.is_cuda:
            self._plan.scratch.release()  # what is kept from the last picture would not be counted
        taken = _PeakOfCuda(self._device)
        started = perf_counter()
        with core_threads(workers) as pool:
            crew = Crew(workers, pool, cancelled=self._cancelled, advance=self._advance)
            run = BlockRun(
                self._plan,
                self._device,
                attempts=attempts,
                crew=crew,
                tile_for=tile_for,
                maps_on=maps_on,
            )
            try:
                run.run(source, target)
            except RuntimeError as error:
                if lacks_kernel(error) and attempts.smallest_failure is not None:
                    self._learned.record_lost(aim, attempts.smallest_failure)
                raise
        if crew.missing:
            self.notes.append(
                f"done on {workers - crew.missing} of {workers} cores: no more threads to be had"
            )
        # Where nothing fitted there is an error by now: that is of the moment, not of a size.
        if attempts.smallest_failure is not None:
            self._learned.record_failure(aim, attempts.smallest_failure)
        elif elements == aim and 2 * largest >= elements and self._forced_tile_px is None:
            tells = source.size.area >= _TELLING_PX
            work = self._plan.macs_per_px * source.size.area
            speed = work / (perf_counter() - started)
            self._learned.record_success(aim, speed if tells else None)
            peak_bytes = taken.bytes()
            if tells and peak_bytes is not None and run.maps_on == maps_on:
                maps_bytes = self._maps_bytes(source.size) if place == "device" else 0
                self._learned.bytes_per_element = max(1, peak_bytes - maps_bytes) / largest
        return target

    def _tile_for(self, block: Block, size: Size, elements: int, workers: int) -> Size:
        if self._forced_tile_px is not None:
            return Size(self._forced_tile_px, self._forced_tile_px)
        return best_tile(
            size,
            most_px=max(1, elements // block.elements_per_px),
            margin_px=block.halo_px / 2,
            workers=workers,
        )

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
