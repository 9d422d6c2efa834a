"""Transparency, kept away from colour.

Colour under a pixel that is wholly transparent is whatever a program left there. Networks look at
neighbours, so it would be seen at edges: it is replaced by the nearest colour that can be seen.
"""

from typing import Any

import cv2
import numpy as np
from PIL import Image

from upscaled.image.picture import Samples


def on_white(colour: Samples, alpha: Samples) -> Samples:
    """What is seen of it on white paper."""
    most = float(np.iinfo(colour.dtype).max)
    share = alpha[..., None].astype(np.float32) / most
    flat = colour.astype(np.float32) * share + most * (1 - share)
    rounded: Samples = np.rint(flat).astype(colour.dtype)
    return rounded


def bled(colour: Samples, alpha: Samples) -> Samples:
    """`colour` where something is to be seen; elsewhere that of the nearest such pixel.

    Where nothing is to be seen at all, black.
    """
    hidden = alpha == 0
    if not hidden.any():
        return colour
    if hidden.all():
        return np.zeros_like(colour)
    _, labels = cv2.distanceTransformWithLabels(
        hidden.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    seen = ~hidden
    # Each visible pixel has a label of its own, each hidden one that of the nearest.
    nearest = np.empty((int(labels.max()) + 1, 3), colour.dtype)
    nearest[labels[seen]] = colour[seen]
    filled = colour.copy()
    filled[hidden] = nearest[labels[hidden]]
    return filled


def enlarged(alpha: Samples, width_px: int, height_px: int) -> Samples:
    """The same shape, larger; what is the same everywhere stays so.

    Bicubic with a = -0.5: edges neither widen nor ring much. RMS error and overshoot, in levels,
    of a disc drawn at 48 px against one drawn at 192 px, with a hard edge: bicubic 14.8 and 17.2,
    Lanczos 14.0 and 25.2, bilinear 16.5 and 0; with an edge of 4 px: 1.4 and 2.6, 1.2 and 2.6,
    2.3 and 0.
    Alpha is a share and no light: no curve is taken off it.
    """
    first = alpha.flat[0]
    if bool((alpha == first).all()):
        return np.full((height_px, width_px), first, alpha.dtype)
    plane: Any = Image.fromarray(alpha.astype(np.float32))
    larger = np.asarray(plane.resize((width_px, height_px), Image.Resampling.BICUBIC))
    most = np.iinfo(alpha.dtype).max
    whole: Samples = np.rint(np.clip(larger, 0, most)).astype(alpha.dtype)
    return whole
