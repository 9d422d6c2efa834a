"""Which tile may be computed when: a block begins where the one before it is done. Pure."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from upscaled.engine.tiling.tiles import Box


@dataclass(frozen=True, slots=True)
class Tile:
    block: int
    """Index of the block in its plan."""
    core: Box


class Wavefront:
    """The tiles of all blocks, in an order that any number of workers may take them in.

    A tile may start when the block before it is finished down to `halo_px` rows below the tile.
    Then all that it reads is there, and nobody needs what it writes over any more: the blocks
    before that one are, for the same reason, finished yet further down. So no worker waits at the
    end of a block for the others, as long as there are a few rows of tiles.

    Two blocks are open at most, and the earlier one comes first. Calls must not overlap.
    """

    def __init__(
        self,
        blocks: int,
        *,
        halo_px: int,
        begin: Callable[[int], Iterable[Box]],
        end: Callable[[int], None],
    ) -> None:
        """`halo_px`: the largest of all blocks.

        `begin` is called before the first tile of each block and gives its tiles from top to
        bottom; `end` is called after its last.
        """
        self._blocks = blocks
        self._halo_px = halo_px
        self._begin = begin
        self._end = end
        self._first = 0
        """The earliest block that is not finished."""
        self._waiting: dict[int, deque[Box]] = {}
        self._running: dict[int, set[Box]] = {}

    @property
    def is_over(self) -> bool:
        return self._first == self._blocks

    def take(self) -> Tile | None:
        """The next tile; None: all are taken, or the next has to wait for one that is running."""
        for block in range(self._first, min(self._first + 2, self._blocks)):
            if block not in self._waiting:
                self._waiting[block] = deque(self._begin(block))
                self._running[block] = set()
            waiting = self._waiting[block]
            if waiting:
                return self._started(block) if self._may_start(block, waiting[0]) else None
        return None

    def _may_start(self, block: int, core: Box) -> bool:
        before = self._running.get(block - 1, ())
        return all(core.bottom + self._halo_px <= other.top for other in before)

    def _started(self, block: int) -> Tile:
        core = self._waiting[block].popleft()
        self._running[block].add(core)
        return Tile(block, core)

    def finish(self, tile: Tile) -> None:
        self._running[tile.block].remove(tile.core)
        while not self.is_over and self._is_finished(self._first):
            del self._waiting[self._first], self._running[self._first]
            self._end(self._first)
            self._first += 1

    def _is_finished(self, block: int) -> bool:
        return block in self._waiting and not (self._waiting[block] or self._running[block])

    def cut(self, tile: Tile, smaller: Callable[[Box], Iterable[Box]]) -> None:
        """`tile` did not fit: it waits again, and it and all that wait are cut by `smaller`."""
        self._running[tile.block].remove(tile.core)
        self._waiting[tile.block].appendleft(tile.core)
        for block, waiting in self._waiting.items():
            self._waiting[block] = deque(part for core in waiting for part in smaller(core))
