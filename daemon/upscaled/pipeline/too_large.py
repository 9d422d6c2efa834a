"""What a result becomes where its format cannot hold its size: pure."""

from dataclasses import dataclass

from upscaled.formats import STREAMED, check_size, fits
from upscaled.image.encode.animation import AnimationTarget
from upscaled.recipe import OutputOptions


@dataclass(frozen=True, slots=True)
class Fallback:
    format: str
    """A name in `STREAMED`."""
    width_px: int
    height_px: int
    notes: tuple[str, ...] = ()


def placed(
    options: OutputOptions, target: AnimationTarget, width_px: int, height_px: int
) -> Fallback:
    """For a result, or frames, of this size, before any work.

    TIFF, which alone holds pages of several sizes, takes any.

    Raises:
        ImageTooLarge: its format cannot hold it, and the options say `fail`.
    """
    name = target.format
    if fits(name, width_px, height_px):
        return Fallback(name, width_px, height_px)
    told = f"{width_px}×{height_px} px is more than {name} can hold"
    most_px = STREAMED[name].most_px
    if options.on_too_large == "png":
        return Fallback("png", width_px, height_px, (f"{told}: it was written as png",))
    if options.on_too_large == "downscale" and most_px is not None:
        share = most_px / max(width_px, height_px)
        size = (max(round(width_px * share), 1), max(round(height_px * share), 1))
        return Fallback(name, *size, (f"{told}: it was made smaller, to {size[0]}×{size[1]} px",))
    check_size(name, width_px, height_px)
    return Fallback(name, width_px, height_px)
