"""Whatever order workers finish in: nothing is read too early or written over too soon."""

from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upscaled.engine.tiling.tiles import Box, Size, grid
from upscaled.engine.tiling.wavefront import Tile, Wavefront

BLOCKS = 5


def wavefront(tiles: Callable[[int], Iterable[Box]], halo_px: int = 3) -> Wavefront:
    return Wavefront(BLOCKS, halo_px=halo_px, begin=tiles, end=lambda _block: None)


def strips(count: int) -> Callable[[int], Iterable[Box]]:
    return lambda _block: grid(Size(10 * count, 20), Size(10, 20))


@given(data=st.data(), height=st.integers(1, 90), width=st.integers(1, 40), halo=st.integers(0, 6))
def test_maps_that_take_turns_are_read_when_they_are_whole(
    data: st.DataObject, height: int, width: int, halo: int
) -> None:
    """Two maps take turns as source and target; each row remembers which block wrote it last."""
    size = Size(height, width)
    edges = st.integers(4, 60)
    shapes = [Size(data.draw(edges), data.draw(edges)) for _ in range(BLOCKS)]
    maps = [np.full((height, width), -1) for _ in range(2)]
    ended: list[int] = []
    front = Wavefront(
        BLOCKS,
        halo_px=halo,
        begin=lambda block: grid(size, shapes[block]),
        end=ended.append,
    )
    running: list[Tile] = []
    finished: Counter[tuple[int, Box]] = Counter()

    def source_is_whole(tile: Tile) -> bool:
        read = maps[(tile.block - 1) % 2][tile.core.grown(halo, size.box).slices]
        return bool((read == tile.block - 1).all())

    while not front.is_over:
        tile = front.take() if len(running) < 4 else None
        if tile is not None:
            assert source_is_whole(tile), "started too early"
            running.append(tile)
            continue
        done = running.pop(data.draw(st.integers(0, len(running) - 1)))
        assert source_is_whole(done), "written over while it was read"
        maps[done.block % 2][done.core.slices] = done.block
        if data.draw(st.integers(0, 5)) == 0 and done.core.area > 1:
            front.cut(done, lambda core: core.halves() if core.area > 1 else (core,))
        else:
            finished[done.block, done.core] += 1
            front.finish(done)
    assert ended == list(range(BLOCKS))
    assert set(finished.values()) == {1}
    assert sum(core.area for _, core in finished) == BLOCKS * size.area


def test_a_worker_goes_on_with_the_next_block_while_another_finishes_the_last_tile() -> None:
    front = wavefront(strips(4))
    first = [front.take() for _ in range(4)]
    for tile in first[:3]:
        assert tile is not None
        front.finish(tile)
    assert front.take() == Tile(1, Box(0, 0, 10, 20))
    assert front.take() == Tile(1, Box(10, 0, 20, 20))
    assert front.take() is None  # the third needs three rows of the tile that is running


def test_no_more_than_two_blocks_are_open() -> None:
    begun: list[int] = []

    def begin(block: int) -> Iterable[Box]:
        begun.append(block)
        return strips(9)(block)

    front = wavefront(begin)
    slow = [front.take() for _ in range(9)][-1]
    for row in range(8):
        front.finish(Tile(0, Box(10 * row, 0, 10 * row + 10, 20)))
    while (tile := front.take()) is not None:
        front.finish(tile)
    assert begun == [0, 1]
    assert slow is not None
    front.finish(slow)
    while (tile := front.take()) is not None:
        front.finish(tile)
    assert begun == list(range(BLOCKS))
    assert front.is_over


def test_a_tile_that_does_not_fit_waits_again_in_parts_and_so_does_the_next_block() -> None:
    front = wavefront(strips(3))
    tiles = [front.take() for _ in range(3)]
    assert tiles[0] is not None
    front.finish(tiles[0])
    assert front.take() is None
    assert tiles[2] is not None
    front.cut(tiles[2], lambda core: core.halves())
    assert [front.take(), front.take()] == [
        Tile(0, Box(20, 0, 30, 10)),
        Tile(0, Box(20, 10, 30, 20)),
    ]
    assert front.take() is None


@pytest.mark.parametrize("blocks", [1, 2])
def test_a_short_plan_comes_to_its_end(blocks: int) -> None:
    front = Wavefront(blocks, halo_px=9, begin=strips(2), end=lambda _block: None)
    for _ in range(2 * blocks):
        tile = front.take()
        assert tile is not None
        front.finish(tile)
    assert front.is_over
    assert front.take() is None
