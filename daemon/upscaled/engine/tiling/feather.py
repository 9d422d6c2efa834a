"""Padded tiles with blended seams, for networks of which no exact plan is known."""

from collections.abc import Callable
from itertools import groupby

import torch
from torch import Tensor

from upscaled.engine.tiling.oom_retry import OomRetry
from upscaled.engine.tiling.tile_io import TileReader, TileWriter
from upscaled.engine.tiling.tiles import Box, Size, grid
from upscaled.errors import OutOfMemory, StopRequested

_TRIM_PX = 16
"""Thrown away around each tile: the worst of what the missing surroundings spoil."""
_RAMP_PX = 16
"""Each tile reaches this far into its neighbours; the blend spans twice as much."""
MARGIN_PX = _TRIM_PX + _RAMP_PX
_GRID_PX = 16
"""Tiles start on multiples of this: attention windows are 7, 8 or 16 wide."""
SMALLEST_FEATHERED_PX = 4 * _RAMP_PX


class FeatheredRun:
    """One picture through a network that is only known as a whole.

    Works in bands of tiles, so that no more than two bands are ever in floating point.
    """

    def __init__(
        self, network: Callable[[Tensor], Tensor], scale: int, attempts: OomRetry, tile: Size
    ) -> None:
        self._network = network
        self._scale = scale
        self._attempts = attempts
        self.tile = Size(
            max(SMALLEST_FEATHERED_PX, tile.height), max(SMALLEST_FEATHERED_PX, tile.width)
        )

    def run(
        self,
        source: TileReader,
        target: TileWriter,
        progress: Callable[[int, int], None],
        cancelled: Callable[[], bool],
    ) -> None:
        inside = source.size.box
        done = 0
        held: Tensor | None = None
        held_top = held_bottom = 0
        for _, row in groupby(grid(source.size, self.tile, _GRID_PX), key=lambda box: box.top):
            band: Tensor | None = None
            right = 0
            for core in row:
                if cancelled():
                    raise StopRequested
                usable = core.grown(_RAMP_PX, inside)
                band = self._joined(band, self._compute(source, usable), right - usable.left, 3)
                right = usable.right
                done += core.area
                progress(done, inside.area)
            if band is None:
                continue
            held = self._joined(held, band, held_bottom - usable.top, 2)
            held_bottom = usable.bottom
            final = held_bottom if core.bottom == inside.bottom else core.bottom - _RAMP_PX
            rows = (final - held_top) * self._scale
            target.write(
                Box(held_top, 0, final, inside.right).scaled(self._scale), held[:, :, :rows]
            )
            held, held_top = held[:, :, rows:], final

    def _joined(self, first: Tensor | None, second: Tensor, overlap_px: int, axis: int) -> Tensor:
        if first is None:
            return second
        return blended(first, second, overlap_px * self._scale, axis)

    def _compute(self, source: TileReader, usable: Box) -> Tensor:
        """The network over `usable`; what does not fit is cut in two that overlap."""
        region = usable.grown(_TRIM_PX, source.size.box)
        result = None
        failed = self._attempts.smallest_failure
        if failed is None or region.area < failed:
            # Joined on the host, where a band of tiles is not in the way of the next tile.
            result = self._attempts.call(
                lambda: self._network(source.read(region)).cpu(), region.area
            )
        if result is not None:
            rows, columns = usable.within(region).scaled(self._scale).slices
            return result[:, :, rows, columns]
        halves = overlapping_halves(usable, 2 * _RAMP_PX)
        if halves is None:
            raise OutOfMemory(
                f"a tile of {region.width}×{region.height} px does not fit",
                hint="Close other programs on this device, or set device: cpu.",
            )
        first, second = halves
        self.tile = Size(
            max(SMALLEST_FEATHERED_PX, first.height), max(SMALLEST_FEATHERED_PX, first.width)
        )
        vertical = first.right == second.right
        overlap = first.bottom - second.top if vertical else first.right - second.left
        axis = 2 if vertical else 3
        done = self._compute(source, first)
        return self._joined(done, self._compute(source, second), overlap, axis)


def blended(first: Tensor, second: Tensor, overlap: int, axis: int) -> Tensor:
    """Two tiles that share their last and first `overlap` pixels along `axis`, as one."""
    head = first.narrow(axis, 0, first.shape[axis] - overlap)
    tail = second.narrow(axis, overlap, second.shape[axis] - overlap)
    shape = [1] * first.ndim
    shape[axis] = overlap
    rise = (torch.arange(overlap, device=first.device) + 0.5).div_(max(1, overlap)).view(shape)
    old = first.narrow(axis, first.shape[axis] - overlap, overlap)
    new = second.narrow(axis, 0, overlap)
    return torch.cat((head, old + (new - old) * rise, tail), axis)


def overlapping_halves(box: Box, overlap_px: int) -> tuple[Box, Box] | None:
    """Two boxes that share `overlap_px` across the longer edge; None: too small to cut."""
    vertical = box.height >= box.width
    length = box.height if vertical else box.width
    if length < 2 * overlap_px:
        return None
    end = (length + overlap_px) // 2
    start = end - overlap_px
    if vertical:
        return (
            Box(box.top, box.left, box.top + end, box.right),
            Box(box.top + start, box.left, box.bottom, box.right),
        )
    return (
        Box(box.top, box.left, box.bottom, box.left + end),
        Box(box.top, box.left + start, box.bottom, box.right),
    )
