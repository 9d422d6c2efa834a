"""What a rule asks of the picture itself (`when:`), and whether a file has it: pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from upscaled.formats import WHEN_CALLED
from upscaled.job import ImageInfo

_MEGA = 1_000_000


@dataclass(frozen=True, slots=True)
class Span:
    """From `least` to `most`, both included; None: no limit on that side."""

    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Conditions:
    """All that is written has to hold. None: nothing is asked."""

    size_bytes: Span | None = None
    """Of the file; known as soon as it has settled. All others need a look into it."""
    megapixels: Span | None = None
    width_px: Span | None = None
    height_px: Span | None = None
    formats: tuple[str, ...] = ()
    gray: bool | None = None
    alpha: bool | None = None
    animated: bool | None = None

    @property
    def needs_image_info(self) -> bool:
        """Whether the file's header has to be read to decide."""
        return replace(self, size_bytes=None) != NO_CONDITIONS


NO_CONDITIONS = Conditions()


@dataclass(frozen=True, slots=True)
class Objection:
    """Which key of `when:` does not hold, and what the file has instead."""

    key: str
    reason: str


def spelled(word: str) -> str:
    """The one name of a format: `jpg`, `.JPG` and `JPEG` are `jpeg`."""
    bare = word.lower().removeprefix(".")
    return WHEN_CALLED.get(bare, bare)


def objection(
    asked: Conditions, size_bytes: int | None = None, image_info: ImageInfo | None = None
) -> Objection | None:
    """The first condition that does not hold. What is not known (None) stands in nobody's way."""
    if size_bytes is not None and (
        why := _outside(asked.size_bytes, size_bytes, f"the file has {_size(size_bytes)}", _size)
    ):
        return Objection("size", why)
    return None if image_info is None else _of_picture(asked, image_info)


def _of_picture(asked: Conditions, image_info: ImageInfo) -> Objection | None:
    width, height = image_info.width_px, image_info.height_px
    pixels = width * height / _MEGA
    spans = (
        ("megapixels", asked.megapixels, pixels, f"it has {pixels:.6g} megapixels", _plain),
        ("width", asked.width_px, width, f"it is {width} px wide", _px),
        ("height", asked.height_px, height, f"it is {height} px high", _px),
    )
    for key, span, value, shown, unit in spans:
        if why := _outside(span, value, shown, unit):
            return Objection(key, why)
    if asked.formats and spelled(image_info.format) not in asked.formats:
        return Objection("format", f"it is {image_info.format}, not {' or '.join(asked.formats)}")
    kinds = (
        ("gray", asked.gray, image_info.gray, "it is gray", "it is in colour"),
        (
            "alpha",
            asked.alpha,
            image_info.alpha,
            "it has an alpha channel",
            "it has no alpha channel",
        ),
        ("animated", asked.animated, image_info.animated, "it is animated", "it is not animated"),
    )
    for key, wanted, found, yes, no in kinds:
        if wanted is not None and wanted != found:
            return Objection(key, yes if found else no)
    return None


def _outside(
    span: Span | None, value: float, shown: str, unit: Callable[[float], str]
) -> str | None:
    if span is None:
        return None
    if span.least is not None and value < span.least:
        return f"{shown}, less than {unit(span.least)}"
    if span.most is not None and value > span.most:
        return f"{shown}, more than {unit(span.most)}"
    return None


def _plain(value: float) -> str:
    return f"{value:g}"


def _px(value: float) -> str:
    return f"{value:g} px"


def _size(value: float) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{value / factor:.4g} {unit}"
    return f"{value:g} bytes"
