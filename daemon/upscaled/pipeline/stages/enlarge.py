"""A picture through a network, whatever it is made of: gray, transparency, 8 or 16 bits."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from upscaled.errors import BadResult
from upscaled.image.filters.alpha import bled, enlarged
from upscaled.image.filters.colour_fix import steady
from upscaled.image.picture import Picture
from upscaled.pipeline.protocols import Progress, Upscaler


def enlarge(
    picture: Picture,
    upscaler: Upscaler,
    *,
    progress: Progress,
    cancelled: Callable[[], bool],
    colour_fix: bool = True,
) -> Picture:
    """`picture`, larger by the scale of `upscaler`; one frame, whatever it came from.

    Raises:
        Interrupted, OutOfMemory, DeviceLost, BadResult: as `Upscaler.upscale` says.
    """
    scale = upscaler.scale
    source = picture.colour if picture.alpha is None else bled(picture.colour, picture.alpha)
    colour = upscaler.upscale(source, progress=progress, cancelled=cancelled)
    expected = (picture.height_px * scale, picture.width_px * scale, 3)
    if colour.shape != expected or colour.dtype != picture.colour.dtype:
        raise BadResult(f"the network gave {colour.shape} {colour.dtype}, not {expected}")
    if picture.gray:
        # Three equal channels went in; what comes out may differ by a tint that is not there.
        mean = np.rint(colour.mean(axis=2, dtype=np.float32)).astype(colour.dtype)
        colour = np.repeat(mean[..., None], 3, axis=2)
    if colour_fix:
        steady(source, colour)
    alpha = None if picture.alpha is None else enlarged(picture.alpha, expected[1], expected[0])
    if alpha is not None:
        # What a network paints where nothing is seen, at the image's border above all.
        colour = bled(colour, alpha)
    return replace(picture, colour=colour, alpha=alpha)
