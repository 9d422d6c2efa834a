import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from upscaled.engine.tiling.feather import overlapping_halves
from upscaled.engine.tiling.tiles import Box, Size, best_tile, cuts, grid

edges = st.integers(1, 400)


@given(height=edges, width=edges, tile_h=edges, tile_w=edges, multiple=st.sampled_from([1, 8, 16]))
def test_each_pixel_lies_in_exactly_one_tile(
    height: int, width: int, tile_h: int, tile_w: int, multiple: int
) -> None:
    seen = np.zeros((height, width), int)
    for box in grid(Size(height, width), Size(tile_h, tile_w), multiple):
        assert box.height <= tile_h
        assert box.width <= tile_w
        seen[box.slices] += 1
    assert (seen == 1).all()


@given(length=st.integers(1, 5000), longest=st.integers(1, 600), multiple=st.sampled_from([1, 8]))
def test_parts_have_two_lengths_at_most(length: int, longest: int, multiple: int) -> None:
    lengths = [end - start for start, end in cuts(length, longest, multiple)]
    assert len(set(lengths[:-1])) <= 1
    assert lengths[-1] <= lengths[0]


@given(
    height=st.integers(1, 3000),
    width=st.integers(1, 3000),
    most_px=st.integers(1, 200_000),
    workers=st.integers(1, 64),
)
def test_the_best_tile_keeps_to_the_limit(
    height: int, width: int, most_px: int, workers: int
) -> None:
    tile = best_tile(Size(height, width), most_px=most_px, margin_px=2.5, workers=workers)
    assert 1 <= tile.height <= height
    assert 1 <= tile.width <= width
    narrowest = min(width, 64)
    assert tile.area <= max(most_px, narrowest)


def test_a_picture_is_shared_out_evenly_among_the_workers() -> None:
    tile = best_tile(Size(512, 512), most_px=33_000, margin_px=2.5, workers=2)
    assert sum(1 for _ in grid(Size(512, 512), tile, 8)) % 2 == 0


def test_a_small_picture_still_keeps_all_workers_busy() -> None:
    tile = best_tile(Size(256, 256), most_px=33_000, margin_px=2.5, workers=8)
    assert sum(1 for _ in grid(Size(256, 256), tile, 8)) >= 8


@given(
    top=st.integers(0, 50), left=st.integers(0, 50), height=edges, width=edges, by=st.integers(0, 9)
)
def test_a_halo_never_leaves_the_picture(
    top: int, left: int, height: int, width: int, by: int
) -> None:
    inside = Box(0, 0, 450, 450)
    box = Box(top, left, top + height, left + width)
    grown = box.grown(by, inside)
    assert grown == Box(
        max(0, top - by), max(0, left - by), min(450, box.bottom + by), min(450, box.right + by)
    )


@given(left=st.integers(0, 99), width=st.integers(1, 100), inside=st.integers(1, 100))
def test_a_widened_box_still_holds_the_box(left: int, width: int, inside: int) -> None:
    right = min(left + width, inside)
    if right <= left:
        return
    wide = Box(0, left, 5, right).widened(64, Box(0, 0, 5, inside))
    assert 0 <= wide.left <= left
    assert right <= wide.right <= inside
    assert wide.width >= min(64, inside)


@given(height=edges, width=edges)
def test_halves_cover_the_box(height: int, width: int) -> None:
    if height * width < 2:
        return
    first, second = Box(3, 4, 3 + height, 4 + width).halves()
    assert first.area + second.area == height * width
    assert max(first.area, second.area) < height * width


@given(height=edges, width=edges, overlap=st.integers(1, 64))
def test_overlapping_halves_share_just_the_overlap(height: int, width: int, overlap: int) -> None:
    box = Box(0, 0, height, width)
    halves = overlapping_halves(box, overlap)
    if halves is None:
        assert max(height, width) < 2 * overlap
        return
    first, second = halves
    across = max(height, width)
    assert first.area + second.area == box.area + overlap * (box.area // across)
