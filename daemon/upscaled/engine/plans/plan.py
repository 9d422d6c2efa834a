"""How a network is run over an image of any size: as a list of blocks, each tile by tile."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from torch import Tensor, nn

from upscaled.engine.plans.receptive_field import Reach, reach_of
from upscaled.engine.tiling.scratch import Scratch
from upscaled.engine.tiling.tiles import Box

PICTURE = -1
"""The slot that stands for the picture given, and for the result."""


class Exactness(StrEnum):
    EXACT = "exact"
    """The same as the network over the whole image at once."""
    FEATHERED = "feathered"
    """Padded tiles, blended where they meet: close to the whole image, not equal."""


class Body(Protocol):
    """What a block does to one tile."""

    def __call__(
        self, source: Tensor, region: Box, core: Box, inside: Box, shortcut: Tensor | None
    ) -> Tensor:
        """The result for `core`.

        Args:
            source: 1 × channels × `region`; `region` is `core` and its halo, inside the image.
            region: where `source` lies in the image's grid.
            core: what is wanted.
            inside: the whole grid; zeros are padded at its edges only.
            shortcut: another feature map over `core`, if the block has one.
        """
        ...


@dataclass(frozen=True, slots=True)
class PlanBlock:
    """A part of the network between two feature maps over the whole image."""

    body: Body
    halo_px: int
    source: int
    """Slot of the feature map read with a halo; `PICTURE`: the picture given."""
    target: int
    """Slot written; `PICTURE`: the result. It may be the shortcut's, never the source's."""
    channels: int
    """Of the map written."""
    scale: int = 1
    """Written pixels for each pixel read, along one edge."""
    shortcut: int | None = None
    """Slot of a second map, read under the core only."""
    remade: "PlanBlock | None" = None
    """A block that gives the second map anew from the picture, which is cheaper than to keep it."""
    macs_per_px: int = 1
    """Multiplications for each pixel of the grid: the weight of this block in progress."""
    elements_per_px: int = 1
    """Features alive at once in the body, for each pixel of the grid: what a tile takes."""


@dataclass(frozen=True, slots=True)
class Plan:
    blocks: tuple[PlanBlock, ...]
    exactness: Exactness
    unshuffle: int = 1
    """The grid is the picture's, divided by this; its channels are multiplied by its square."""
    scale: int = 1
    """Of the result, against the picture."""
    scratch: Scratch = field(default_factory=Scratch)
    """Kept from tile to tile for speed; may be released at any time."""

    @property
    def slots(self) -> int:
        return 1 + max((block.target for block in self.blocks), default=PICTURE)

    def peak_map_channels(self) -> int:
        """Channels of all feature maps alive at once, at most: each block overlaps the next."""
        alive: dict[int, int] = {}
        peak = 0
        for index in range(len(self.blocks)):
            for block in self.blocks[index : index + 2]:
                if block.target != PICTURE:
                    alive[block.target] = block.channels
            peak = max(peak, sum(alive.values()))
            alive = {slot: n for slot, n in alive.items() if self.last_use(slot) > index}
        return peak

    @property
    def macs_per_px(self) -> int:
        return sum(block.macs_per_px for block in self.blocks)

    @property
    def reach_px(self) -> int:
        """How far the whole network sees, in pixels of the grid, at most."""
        return sum(block.halo_px for block in self.blocks)

    def last_use(self, slot: int) -> int:
        """Index of the last block that touches the map in `slot`."""
        return max(
            index
            for index, block in enumerate(self.blocks)
            if slot in {block.source, block.target, block.shortcut}
        )


class PaddedBody:
    """Any module with a known reach: run with its own zero padding, then crop the halo off.

    At the edges of the image the region ends there too, so that the module's padding is the
    very padding it does on the whole image. Elsewhere the padding only spoils the halo.
    """

    def __init__(self, module: nn.Module, scale: int) -> None:
        self._module = module
        self._scale = scale

    def __call__(
        self, source: Tensor, region: Box, core: Box, inside: Box, shortcut: Tensor | None
    ) -> Tensor:
        del inside
        rows, columns = core.within(region).scaled(self._scale).slices
        result: Tensor = self._module(source)[:, :, rows, columns]
        return result if shortcut is None else result + shortcut


def padded_block(
    module: nn.Module,
    *,
    run: nn.Module | None = None,
    source: int,
    target: int,
    channels: int,
    shortcut: int | None = None,
    reach: Reach | None = None,
) -> PlanBlock:
    """A block of which the geometry is derived from the module's layers.

    `run` is what to call in its stead: the same layers in a faster form.
    """
    reach = reach or reach_of(module)
    scale = int(reach.scale)
    return PlanBlock(
        body=PaddedBody(run or module, scale),
        halo_px=reach.halo_px,
        source=source,
        target=target,
        channels=channels,
        scale=scale,
        shortcut=shortcut,
        macs_per_px=macs_per_px(module),
        elements_per_px=elements_per_px(module),
    )


def macs_per_px(module: nn.Module) -> int:
    """Multiplications of all convolutions for each pixel of the module's input."""
    total, area = 0.0, 1.0
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            area /= layer.stride[0] * layer.stride[1]
            total += layer.weight.numel() * area
        elif isinstance(layer, nn.Upsample) and isinstance(layer.scale_factor, float | int):
            area *= layer.scale_factor**2
        elif isinstance(layer, nn.PixelShuffle):
            area *= layer.upscale_factor**2
    return max(1, int(total))


def elements_per_px(module: nn.Module) -> int:
    """The most features that two layers in a row hold, for each pixel of the module's input."""
    most, before, area = 0.0, 0.0, 1.0
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            before = max(before, layer.in_channels * area)
            area /= layer.stride[0] * layer.stride[1]
            held = layer.out_channels * area
        elif isinstance(layer, nn.Upsample) and isinstance(layer.scale_factor, float | int):
            area *= layer.scale_factor**2
            held = before * layer.scale_factor**2
        elif isinstance(layer, nn.PixelShuffle):
            area *= layer.upscale_factor**2
            held = before
        else:
            continue
        most = max(most, before + held)
        before = held
    return max(1, int(most))


def shrunk(tensor: Tensor, by: Box) -> Tensor:
    """A view of `by`'s rows and columns."""
    rows, columns = by.slices
    return tensor[:, :, rows, columns]
