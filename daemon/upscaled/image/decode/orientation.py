"""How an image was stored, by EXIF, and how it is seen: pure."""

import numpy as np

from upscaled.image.picture import Samples

TAG = 0x0112


def upright(samples: Samples, orientation: int) -> Samples:
    """EXIF 2.32, table 6: what to do to see the image as it was taken."""
    turned = {
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: a.swapaxes(0, 1)[:, ::-1],
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: a.swapaxes(0, 1)[::-1],
    }.get(orientation, lambda a: a)(samples)
    return np.ascontiguousarray(turned)
