"""What differs between two frames."""

from typing import Any

import numpy as np

from upscaled.image.picture import Picture

Box = tuple[int, int, int, int]
"""top, bottom, left, right; the second of each pair is the first that is outside."""


def rgba(picture: Picture, *, bits: int | None = None) -> Any:
    """Height × width × 4; `bits=8` whatever the picture's own are. No colour where none is seen."""
    alpha = picture.alpha
    if alpha is None:
        most = np.iinfo(picture.colour.dtype).max
        alpha = np.full(picture.colour.shape[:2], most, picture.colour.dtype)
    joined = np.dstack([picture.colour, alpha])
    if bits == 8 and joined.dtype == np.uint16:
        joined = ((joined.astype(np.uint32) * 255 + 32_767) // 65_535).astype(np.uint8)
    joined[joined[..., 3] == 0] = 0
    return joined


def bounds(changed: Any) -> Box | None:
    """The smallest box around what is true; None where nothing is."""
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    if not len(rows):
        return None
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
