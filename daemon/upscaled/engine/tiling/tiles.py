"""Pure geometry: how an image is cut into tiles of few shapes. No torch, no pixels."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

_NARROW_PX = 64
"""Tiles are not cut narrower than this: kernels run along rows."""

_OVERHEAD_PX = 300
"""What starting a tile costs, as pixels of a dense block on one core (0.2 ms)."""

_EVEN = 0.005
"""Costs closer than this are taken as equal."""


@dataclass(frozen=True, slots=True)
class Box:
    """Rows `top` to `bottom` and columns `left` to `right`, the ends excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def area(self) -> int:
        return self.height * self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, by_px: int, inside: "Box") -> "Box":
        """Larger by `by_px` on each side, but never over the edges of `inside`."""
        return Box(
            max(inside.top, self.top - by_px),
            max(inside.left, self.left - by_px),
            min(inside.bottom, self.bottom + by_px),
            min(inside.right, self.right + by_px),
        )

    def spread(self, by_px: int) -> "Box":
        """Larger by `by_px` on each side, over any edge."""
        return Box(self.top - by_px, self.left - by_px, self.bottom + by_px, self.right + by_px)

    def widened(self, to_px: int, inside: "Box") -> "Box":
        """At least `to_px` wide, or as wide as `inside`; to the left, then to the right."""
        left = max(inside.left, min(self.left, self.right - to_px))
        right = min(inside.right, max(self.right, left + to_px))
        return Box(self.top, left, self.bottom, right)

    def scaled(self, factor: int) -> "Box":
        return Box(self.top * factor, self.left * factor, self.bottom * factor, self.right * factor)

    def within(self, outer: "Box") -> "Box":
        """The same box, counted from the corner of `outer`."""
        return Box(
            self.top - outer.top,
            self.left - outer.left,
            self.bottom - outer.top,
            self.right - outer.left,
        )

    def halves(self) -> tuple["Box", "Box"]:
        """Cut across the longer edge; the area is at least 2."""
        if self.height >= self.width:
            middle = self.top + ceil(self.height / 2)
            return (
                Box(self.top, self.left, middle, self.right),
                Box(middle, self.left, self.bottom, self.right),
            )
        middle = self.left + ceil(self.width / 2)
        return (
            Box(self.top, self.left, self.bottom, middle),
            Box(self.top, middle, self.bottom, self.right),
        )


@dataclass(frozen=True, slots=True)
class Size:
    height: int
    width: int

    @property
    def box(self) -> Box:
        return Box(0, 0, self.height, self.width)

    @property
    def area(self) -> int:
        return self.height * self.width


def cuts(length: int, longest: int, multiple: int = 1) -> list[tuple[int, int]]:
    """`length` in equal parts of at most `longest`; only the last may be shorter.

    Parts are multiples of `multiple` where `longest` allows, because kernels like that.
    """
    longest = max(1, min(longest, length))
    part = ceil(length / ceil(length / longest))
    rounded = ceil(part / multiple) * multiple
    if rounded <= longest:
        part = rounded
    return [(start, min(start + part, length)) for start in range(0, length, part)]


def grid(size: Size, tile: Size, multiple: int = 1) -> Iterator[Box]:
    """Boxes that cover `size`, each pixel once, row by row from the top."""
    columns = cuts(size.width, tile.width, multiple)
    for top, bottom in cuts(size.height, tile.height, multiple):
        for left, right in columns:
            yield Box(top, left, bottom, right)


def best_tile(size: Size, *, most_px: int, margin_px: float, workers: int = 1) -> Size:
    """The tile of at most `most_px` with which `workers` are done first.

    Each of them computes one tile after the other; a tile costs its area with a margin on each
    side, and a fixed overhead. Wide tiles win where the cost is equal: their rows are longer.
    """
    best, least = Size(1, 1), float("inf")
    for columns in range(1, ceil(size.width / _NARROW_PX) + 1):
        width = ceil(size.width / columns)
        tallest = max(1, most_px // width)
        fewest = ceil(size.height / tallest)
        for rows in range(fewest, min(size.height, fewest + workers) + 1):
            height = ceil(size.height / rows)
            if height * width > max(most_px, _NARROW_PX):
                continue
            turns = ceil(ceil(size.height / height) * columns / workers)
            cost = turns * ((height + 2 * margin_px) * (width + 2 * margin_px) + _OVERHEAD_PX)
            if cost < least * (1 - _EVEN):
                best, least = Size(height, width), cost
    return best
