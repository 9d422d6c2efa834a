"""Filters that look a few pixels around, row by row: bounded memory, progress, and an end on
request; the same result to the bit as in one go.
"""

from collections.abc import Callable

import numpy as np

from upscaled.errors import StopRequested
from upscaled.image.picture import Samples

_BAND_SAMPLES = 3_000_000
"""Of the source at once; some 100 MB of floats in the greediest filter."""


def in_rows(
    source: Samples,
    halo_px: int,
    work: Callable[[Samples, int, int], Samples],
    *,
    progress: Callable[[int, int], None],
    cancelled: Callable[[], bool],
) -> Samples:
    """`work(rows, top, bottom)` gets rows `top` to `bottom` with `halo_px` more on both sides,
    where there are such, and gives as many rows back; of the result only the middle is kept.

    Raises:
        Interrupted: `cancelled` said so, between two bands.
    """
    height, width = source.shape[:2]
    result = np.empty_like(source)
    step = max(_BAND_SAMPLES // max(width * (source.shape[2] if source.ndim > 2 else 1), 1), 1)
    for top in range(0, height, step):
        if cancelled():
            raise StopRequested
        bottom = min(top + step, height)
        first, last = max(top - halo_px, 0), min(bottom + halo_px, height)
        worked = work(source[first:last], first, last)
        result[top:bottom] = worked[top - first : bottom - first]
        progress(bottom, height)
    return result
