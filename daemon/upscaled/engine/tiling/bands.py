"""The last resort: horizontal bands of a picture whose feature maps fit no memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from upscaled.engine.tiling.tile_io import Pixels

_MOST_OVERLAP_PX = 64
"""x4plus: at 48 px tiles differ from the whole by 70 dB; exact would take 348."""
_SMALLEST_CORE_PX = 16


@dataclass(frozen=True, slots=True)
class Band:
    """Rows of the picture: `top` to `bottom` are computed, `first` to `last` are kept."""

    top: int
    first: int
    last: int
    bottom: int


def bands(height: int, *, most_rows: int, reach_px: int, multiple: int) -> list[Band] | None:
    """Bands of at most `most_rows`; None: there is no room for even the thinnest.

    They overlap by the network's whole reach, which is exact, where that leaves at least half
    of each band to be kept; else by what is left, up to 64 px.
    """
    most_rows = most_rows // multiple * multiple
    overlap = (-(-reach_px // multiple) + 1) * multiple  # and the rows that are compared
    if most_rows < 4 * overlap:
        overlap = min(overlap, _MOST_OVERLAP_PX, most_rows // 4) // multiple * multiple
    core = most_rows - 2 * overlap
    if core < _SMALLEST_CORE_PX or overlap < multiple:
        return None
    core = core // multiple * multiple
    return list(_cut(height, core, overlap))


def _cut(height: int, core: int, overlap: int) -> Iterator[Band]:
    for first in range(0, height, core):
        last = min(first + core, height)
        yield Band(max(0, first - overlap), first, last, min(height, last + overlap))


class SeamBlend:
    """How far neighbouring bands differ where both computed the same rows."""

    def __init__(self) -> None:
        self.worst = 0
        self._squares = 0.0
        self._count = 0

    def compare(self, upper: Pixels, lower: Pixels) -> None:
        """The rows just below a cut: as the band above and the band below computed them."""
        difference = np.abs(upper.astype(np.int64) - lower.astype(np.int64))
        self.worst = max(self.worst, int(difference.max(initial=0)))
        self._squares += float(np.square(difference).sum())
        self._count += difference.size

    def note(self, bands_made: int, full: int) -> str:
        """For the user."""
        if self.worst == 0:
            return f"done in {bands_made} bands for lack of memory; no difference at the seams"
        decibel = 10 * np.log10(full**2 * self._count / self._squares)
        return (
            f"done in {bands_made} bands for lack of memory; at the seams they differ by "
            f"{self.worst} of {full} at most ({decibel:.0f} dB)"
        )
