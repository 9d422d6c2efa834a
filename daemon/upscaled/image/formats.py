"""What each file format can hold, and which one a wish leads to: pure."""

from dataclasses import dataclass

from upscaled.errors import ImageTooLarge


@dataclass(frozen=True, slots=True)
class Format:
    """What a file format can hold."""

    pillow: str
    extension: str
    most_px: int | None = None
    """Longest edge."""
    alpha: bool = True
    deep: bool = False
    """16 bits for each sample."""
    quality: int | None = None


FORMATS = {
    # libjpeg stops at 65,500, not at 65,535; WebP at 16,383 (its headers have 14 bits).
    "jpeg": Format("JPEG", "jpg", most_px=65_500, alpha=False, quality=95),
    "png": Format("PNG", "png", deep=True),
    "webp": Format("WEBP", "webp", most_px=16_383, quality=92),
    "avif": Format("AVIF", "avif", most_px=65_536, quality=90),
    "tiff": Format("TIFF", "tif", deep=True),
}
_SAME = {
    "JPEG": "jpeg",
    "MPO": "jpeg",
    "PNG": "png",
    "WEBP": "webp",
    "TIFF": "tiff",
    "AVIF": "avif",
}


def resolve_format(wish: str, source_format: str) -> str:
    """The name in `FORMATS`; `same` gives PNG where the source's format is not for writing."""
    return _SAME.get(source_format, "png") if wish == "same" else wish


def check_size(name: str, width_px: int, height_px: int) -> None:
    """Refuse before any work what the format could not hold after it.

    Raises:
        ImageTooLarge: the longer edge is over the format's limit.
    """
    most = FORMATS[name].most_px
    if most is not None and max(width_px, height_px) > most:
        raise ImageTooLarge(
            f"{width_px}×{height_px} px is more than {name} can hold ({most:,} px an edge)",
            hint="set `format: png` or `tiff` in the rule's output",
        )
