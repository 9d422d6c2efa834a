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
    gray_alpha: bool = True
    """One channel and transparency; else three equal ones."""
    bits: int = 8
    """For each sample, at most."""
    quality: int | None = None
    lossless: bool = False
    """Can be either, by an option."""
    words: frozenset[str] = frozenset()
    """Fields of `Metadata` that it can hold, `exif` aside, which all can."""


FORMATS = {
    # libjpeg stops at 65,500, not at 65,535; WebP at 16,383 (its headers have 14 bits).
    "jpeg": Format(
        *("JPEG", "jpg", 65_500),
        alpha=False,
        quality=95,
        words=frozenset({"xmp", "iptc", "comment", "dpi"}),
    ),
    "png": Format(
        "PNG", "png", bits=16, words=frozenset({"xmp", "iptc", "comment", "texts", "dpi"})
    ),
    "webp": Format(
        *("WEBP", "webp", 16_383),
        gray_alpha=False,
        quality=92,
        lossless=True,
        words=frozenset({"xmp"}),
    ),
    "avif": Format("AVIF", "avif", 65_536, gray_alpha=False, quality=90, words=frozenset({"xmp"})),
    "tiff": Format("TIFF", "tif", bits=16, words=frozenset({"xmp", "iptc", "dpi"})),
    "heif": Format(
        *("HEIF", "heic", 16_384),
        gray_alpha=False,
        bits=10,
        quality=90,
        lossless=True,
        words=frozenset({"xmp"}),
    ),
    "jxl": Format("JXL", "jxl", quality=95, lossless=True, words=frozenset({"xmp"})),
}
STREAMED = FORMATS | {"gif": Format("GIF", "gif", most_px=65_535)}
"""With what is written for animations only."""
_SAME = {
    "JPEG": "jpeg",
    "MPO": "jpeg",
    "PNG": "png",
    "WEBP": "webp",
    "TIFF": "tiff",
    "AVIF": "avif",
    "HEIF": "heif",
    "JXL": "jxl",
}
EXTRAS = {"heif": "heif", "jxl": "jxl"}
"""The extra that brings a format."""


def resolve_format(wish: str, source_format: str) -> str:
    """The name in `FORMATS`; `same` gives PNG where the source's format is not for writing."""
    return _SAME.get(source_format, "png") if wish == "same" else wish


def fits(name: str, width_px: int, height_px: int) -> bool:
    most = STREAMED[name].most_px
    return most is None or max(width_px, height_px) <= most


def check_size(name: str, width_px: int, height_px: int) -> None:
    """Refuse before any work what the format could not hold after it.

    Raises:
        ImageTooLarge: the longer edge is over the format's limit.
    """
    if not fits(name, width_px, height_px):
        raise ImageTooLarge(
            f"{width_px}×{height_px} px is more than {name} can hold "
            f"({STREAMED[name].most_px:,} px an edge)",
            hint="set `format: png` or `on_too_large: png` in the rule's output",
        )
