"""What each file format is called, can hold, and is chosen by: the one table of formats. Pure.

To add one that is written: a row here, its writer in `image/encode`, and its reader where Pillow
has none (`image/decode/readers.py`).
"""

from dataclasses import dataclass

from upscaled.errors import ImageTooLarge


@dataclass(frozen=True, slots=True)
class Format:
    """A format that is written."""

    pillow: str
    """Pillow's name of it."""
    extension: str
    most_px: int | None = None
    """Longest edge."""
    also_called: tuple[str, ...] = ()
    """What else a user may write for it in `format:`."""
    suffixes: frozenset[str] = frozenset()
    """A source's own that a result keeps; none: its name."""
    alpha: bool = True
    gray_alpha: bool = True
    """One channel and transparency; else three equal ones."""
    bits: int = 8
    """For each sample, at most."""
    quality: int | None = None
    """Its usual one; None: nothing is ever lost."""
    lossless: bool = False
    """Can be either, by an option."""
    chroma: bool = False
    """Whether colour may be stored at less than full resolution."""
    moves: bool = False
    """Holds the frames of an animation."""
    pages: bool = False
    words: frozenset[str] = frozenset()
    """Fields of `Metadata` that it can hold, `exif` aside, which all can."""
    extra: str | None = None
    """The extra of the installation that brings it."""
    only_moving: bool = False
    """Written for animations alone."""


STREAMED = {
    "png": Format(
        *("PNG", "png"),
        bits=16,
        moves=True,
        words=frozenset({"xmp", "iptc", "comment", "texts", "dpi"}),
    ),
    # libjpeg stops at 65,500, not at 65,535; WebP at 16,383 (its headers have 14 bits).
    "jpeg": Format(
        *("JPEG", "jpg", 65_500),
        also_called=("jpg",),
        suffixes=frozenset({"jpg", "jpeg", "jpe", "jfif"}),
        alpha=False,
        quality=95,
        chroma=True,
        words=frozenset({"xmp", "iptc", "comment", "dpi"}),
    ),
    "webp": Format(
        *("WEBP", "webp", 16_383),
        gray_alpha=False,
        quality=92,
        lossless=True,
        moves=True,
        words=frozenset({"xmp"}),
    ),
    "avif": Format(
        *("AVIF", "avif", 65_536),
        gray_alpha=False,
        quality=90,
        chroma=True,
        moves=True,
        words=frozenset({"xmp"}),
    ),
    "tiff": Format(
        *("TIFF", "tif"),
        also_called=("tif",),
        suffixes=frozenset({"tif", "tiff"}),
        bits=16,
        pages=True,
        words=frozenset({"xmp", "iptc", "dpi"}),
    ),
    "heif": Format(
        *("HEIF", "heic", 16_384),
        also_called=("heic",),
        suffixes=frozenset({"heic", "heif"}),
        gray_alpha=False,
        bits=10,
        quality=90,
        lossless=True,
        chroma=True,
        words=frozenset({"xmp"}),
        extra="heif",
    ),
    "jxl": Format(
        *("JXL", "jxl"), quality=95, lossless=True, words=frozenset({"xmp"}), extra="jxl"
    ),
    "gif": Format("GIF", "gif", most_px=65_535, moves=True, only_moving=True),
}
"""All that is written, by the name that a user writes."""
FORMATS = {name: form for name, form in STREAMED.items() if not form.only_moving}
"""Those that hold a single picture."""

CALLED = {word: name for name, form in FORMATS.items() for word in form.also_called}
"""Other words for a format, in `format:`."""

_OF_SOURCE = {form.pillow: name for name, form in FORMATS.items()} | {"MPO": "jpeg"}
"""By Pillow's name of a source's format."""

WHEN = (
    *("jpeg", "png", "webp", "avif", "tiff", "gif", "bmp", "heic"),
    *("jpeg2000", "ppm", "tga", "jxl"),
)
"""What `when: {format: …}` may ask for: what is read, as people call it."""
WHEN_CALLED = {
    "jpg": "jpeg",
    "jpe": "jpeg",
    "jfif": "jpeg",
    "mpo": "jpeg",
    "tif": "tiff",
    "dib": "bmp",
    "apng": "png",
    "heif": "heic",
    "jp2": "jpeg2000",
    "j2k": "jpeg2000",
    "jpx": "jpeg2000",
    "pgm": "ppm",
    "pbm": "ppm",
    "pnm": "ppm",
}


def resolve_format(wish: str, source_format: str) -> str:
    """The name in `FORMATS`; `same` gives PNG where the source's format is not for writing."""
    return _OF_SOURCE.get(source_format, "png") if wish == "same" else wish


def suffix(name: str, own: str) -> str:
    """A result's, without the dot: the source's own where it is one of the format's."""
    form = STREAMED[name]
    return own if own.lower() in (form.suffixes or {name}) else form.extension


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
