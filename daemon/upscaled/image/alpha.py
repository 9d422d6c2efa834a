"""Transparency, kept away from colour."""

import numpy as np

from upscaled.image.picture import Samples


def on_white(colour: Samples, alpha: Samples) -> Samples:
    """What is seen of it on white paper."""
    most = float(np.iinfo(colour.dtype).max)
    share = alpha[..., None].astype(np.float32) / most
    flat = colour.astype(np.float32) * share + most * (1 - share)
    rounded: Samples = np.rint(flat).astype(colour.dtype)
    return rounded
