"""How large the tiles of one picture are, as far as memory lets them."""

from dataclasses import dataclass
from math import isqrt

from upscaled.engine.plans.plan import PlanBlock
from upscaled.engine.tiling.oom_retry import OomRetry
from upscaled.engine.tiling.tiles import Size, best_tile


@dataclass(slots=True)
class TileBudget:
    """One picture's try at a size. Elements are features of one tile."""

    aim: int
    elements: int
    """What memory allows of `aim`."""
    workers: int
    attempts: OomRetry
    forced_px: int | None
    ceiling: int | None
    """Learned: no tile of that size fits."""
    largest_elements: int = 1
    largest_px: int = 1
    """Edge of a square of that area."""
    is_capped: bool = False
    """Tiles were smaller than the user's, for what is known of memory."""

    def size_for(self, block: PlanBlock, size: Size) -> Size:
        if self.forced_px is not None:
            tile = self._forced(self.forced_px, block)
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

    def _forced(self, edge_px: int, block: PlanBlock) -> Size:
        """As the user wants it, unless it is known not to fit."""
        most = self.attempts.limit
        if self.ceiling is not None:
            most = min(most, self.ceiling // 2)
        if edge_px**2 * block.elements_per_px > most:
            self.is_capped = True
            edge_px = max(1, isqrt(most // block.elements_per_px))
        return Size(edge_px, edge_px)

    @property
    def are_as_aimed(self) -> bool:
        """Neither memory, nor the user, nor a small picture made them smaller."""
        is_large = 2 * self.largest_elements >= self.elements
        return self.elements == self.aim and is_large and self.forced_px is None
