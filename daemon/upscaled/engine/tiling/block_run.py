"""Runs a plan over one picture: tile after tile of block after block, whatever memory allows."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from upscaled.engine.device import Device
from upscaled.engine.plans.plan import PICTURE, Plan, PlanBlock
from upscaled.engine.tiling.oom_retry import OomRetry
from upscaled.engine.tiling.tile_io import TileReader, TileWriter
from upscaled.engine.tiling.tile_pool import TilePool
from upscaled.engine.tiling.tiles import Box, Size, grid
from upscaled.engine.tiling.wavefront import Wavefront
from upscaled.errors import OutOfMemory

SMALLEST_TILE_PX = 16

_HOST = torch.device("cpu")

_NARROWEST_PX = 64
"""oneDNN 3.11 adds up in another order where an AMX convolution is less than 52 px wide (seen on
Sapphire Rapids; the height makes no difference), which changes the last bit of bf16 results."""


class BlockRun:
    """One picture through the blocks of an exact plan."""

    def __init__(
        self,
        plan: Plan,
        device: Device,
        *,
        attempts: OomRetry,
        crew: TilePool,
        tile_for: Callable[[PlanBlock, Size], Size],
        maps_on: torch.device | None = None,
    ) -> None:
        """`tile_for` is asked before each block, so that a failure counts for those after it.

        `maps_on`: where feature maps over the whole picture are kept, if not on the device.
        """
        self._plan = plan
        self._device = device
        self._attempts = attempts
        self._crew = crew
        self._tile_for = tile_for
        self.maps_on = maps_on or device.where
        """The host in the end, where they did not fit the device."""
        self._maps: dict[int, Tensor] = {}

    def run(self, source: TileReader, target: TileWriter) -> None:
        blocks = self._plan.blocks

        def begin(index: int) -> Iterable[Box]:
            block = blocks[index]
            if block.target != PICTURE and block.target not in self._maps:
                self._maps[block.target] = self._empty_map(block, source.size)
            return grid(source.size, self._tile_for(block, source.size), 8)

        def end(index: int) -> None:
            for slot in list(self._maps):
                if self._plan.last_use(slot) <= index:
                    del self._maps[slot]

        self._crew.work_off(
            Wavefront(len(blocks), halo_px=max(b.halo_px for b in blocks), begin=begin, end=end),
            lambda tile: self._fits(blocks[tile.block], source, target, tile.core),
            smaller=lambda box: box.halves() if _can_be_cut(box) else (box,),
            units=lambda tile: tile.core.area * blocks[tile.block].macs_per_px,
        )

    def _empty_map(self, block: PlanBlock, size: Size) -> Tensor:
        shape = (1, size.height, size.width, block.channels)
        features = self._attempts.call(lambda: self._allocated(shape), None)
        if features is None and self.maps_on != _HOST:
            self.maps_on = _HOST
            features = self._attempts.call(lambda: self._allocated(shape), None)
        if features is None:
            raise OutOfMemory(
                f"the feature maps of {size.width}×{size.height} px do not fit the memory",
                hint="Close other programs, or give the service more memory.",
            )
        return features.permute(0, 3, 1, 2)

    def _allocated(self, shape: tuple[int, ...]) -> Tensor:
        return torch.empty(
            shape,
            dtype=self._device.dtype,
            device=self.maps_on,
        )

    def _fits(self, block: PlanBlock, source: TileReader, target: TileWriter, core: Box) -> bool:
        """Computes a tile and puts it where it belongs; False: it ran out of memory."""
        elements = core.area * block.elements_per_px
        with torch.inference_mode():
            # With what becomes of the tile: copies take memory too, and on CUDA an error
            # of the kernels is only told where one waits for the result.
            done = self._attempts.call(lambda: self._do(block, source, target, core), elements)
        if done is None and not _can_be_cut(core):
            raise OutOfMemory(
                f"a tile of {core.width}×{core.height} px does not fit {self._device.name}",
                hint="Close other programs on this device, or set device: cpu.",
            )
        return done is not None

    def _do(self, block: PlanBlock, source: TileReader, target: TileWriter, core: Box) -> bool:
        result = self._tile(block, source, core)
        if block.target == PICTURE:
            target.write(core.scaled(block.scale), result)
        else:
            rows, columns = core.slices
            self._maps[block.target][:, :, rows, columns] = result
        return True

    def _tile(self, block: PlanBlock, source: TileReader, core: Box) -> Tensor:
        inside = source.size.box
        wide = core.widened(_NARROWEST_PX, inside)
        region = wide.grown(block.halo_px, inside)
        if block.source == PICTURE:
            features = source.read(region)
        else:
            features = self._from_map(block.source, region)
        shortcut = self._shortcut(block, source, wide)
        result = block.body(features, region, wide, inside, shortcut)
        rows, columns = core.within(wide).scaled(block.scale).slices
        return result[:, :, rows, columns]

    def _shortcut(self, block: PlanBlock, source: TileReader, core: Box) -> Tensor | None:
        if block.remade is not None:
            return self._tile(block.remade, source, core)
        return None if block.shortcut is None else self._from_map(block.shortcut, core)

    def _from_map(self, slot: int, box: Box) -> Tensor:
        rows, columns = box.slices
        features = self._maps[slot][:, :, rows, columns]
        if self._device.is_cuda and not features.is_cuda:
            # Through a pinned copy of the tile. The maps themselves are not pinned: torch would
            # round their gigabytes up to a power of two.
            features = features.contiguous(memory_format=torch.channels_last).pin_memory()
        # Elsewhere than on CUDA nothing keeps the source until an asynchronous copy is done.
        return features.to(self._device.where, non_blocking=self._device.is_cuda)


def _can_be_cut(box: Box) -> bool:
    return max(box.height, box.width) > SMALLEST_TILE_PX
