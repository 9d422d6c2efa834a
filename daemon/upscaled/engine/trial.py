"""How large the tiles of one picture are, as far as memory lets them."""

from dataclasses import dataclass
from math import isqrt

from upscaled.engine.attempts import Attempts
from upscaled.engine.plan import Block
from upscaled.engine.tiles import Size, best_tile


@dataclass(slots=True)
class Trial:
    """One picture's try at a size. Elements are features of one tile."""

    aim: int
    elements: int
    """What memory allows of `aim`."""
    workers: int
    attempts: Attempts
    forced_px: int | None
    largest_elements: int = 1
    largest_px: int = 1
    """Edge of a square of that area."""

    def size_for(self, block: Block, size: Size) -> Size:
        if self.forced_px is not None:
            tile = Size(self.forced_px, self.forced_px)
        else:
            tile = best_tile(
                size,
                most_px=max(1, min(self.elements, self.attempts.limit) // block.elements_per_px),
                margin_px=block.halo_px / 2,
                workers=self.workers,
            )
        self.largest_elements = max(self.largest_elements, tile.area * block.elements_per_px)
        self.largest_px = max(self.largest_px, isqrt(tile.area))
        return tile

    @property
    def are_as_aimed(self) -> bool:
        """Neither memory, nor the user, nor a small picture made them smaller."""
        is_large = 2 * self.largest_elements >= self.elements
        return self.elements == self.aim and is_large and self.forced_px is None
