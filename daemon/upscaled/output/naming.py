"""The name of a result: pure."""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

FIELDS = (
    "stem",
    "ext",
    "scale",
    "model",
    "width",
    "height",
    "rule",
    "date",
    "hash8",
    "n",
)
_NAME_MAX_BYTES = 255  # NAME_MAX of every file system that Linux writes to


@dataclass(frozen=True, slots=True)
class NameParts:
    """What a template can name."""

    source: Path
    ext: str
    scale: float
    model: str
    width_px: int
    height_px: int
    rule: str
    content_sha256: str
    done_at: float


def candidates(template: str, parts: NameParts) -> Iterator[str]:
    """File names to try in turn: the plain one, then numbered ones.

    The number stands where the template has `{n}`, else at the end of the stem (`photo_4x-2.png`).
    Names are cut to what file systems hold (255 bytes), at the stem.
    """
    for number in itertools.count(1):
        if "{n}" in template:
            yield _fit(template, parts, number)
        else:
            yield numbered(_fit(template, parts, number, spare_bytes=_width(number)), number)


def numbered(name: str, number: int) -> str:
    """`photo.png`, `photo-2.png` …, never longer than a name may be."""
    path = Path(name)
    end = "" if number == 1 else f"-{number}"
    return _cut(path.stem, _NAME_MAX_BYTES - _bytes(end + path.suffix)) + end + path.suffix


def _width(number: int) -> int:
    return 0 if number == 1 else len(f"-{number}")


def _bytes(name: str) -> int:
    return len(os.fsencode(name))


def _cut(name: str, most_bytes: int) -> str:
    while _bytes(name) > most_bytes and len(name) > 1:
        # A character has four bytes at most.
        name = name[: -max(1, (_bytes(name) - most_bytes) // 4)]
    return name


def _fit(template: str, parts: NameParts, number: int, spare_bytes: int = 0) -> str:
    stem = parts.source.stem
    while True:
        name = _render(template, parts, stem, number)
        excess = _bytes(name) + spare_bytes - _NAME_MAX_BYTES
        if excess <= 0:
            return name
        if len(stem) <= 1:  # then it is another field that is so long
            extension = f".{parts.ext}" if name.endswith(f".{parts.ext}") else ""
            rest = name.removesuffix(extension)
            return _cut(rest, _NAME_MAX_BYTES - spare_bytes - _bytes(extension)) + extension
        stem = stem[: -max(1, excess // 4)]


def _render(template: str, parts: NameParts, stem: str, number: int) -> str:
    fields = {
        "stem": stem,
        "ext": parts.ext,
        # 4, 1.5, 3.84: as a person would say it.
        "scale": f"{parts.scale:.2f}".rstrip("0").rstrip("."),
        # A model given as a path stands for its file name.
        "model": Path(parts.model).stem,
        "width": parts.width_px,
        "height": parts.height_px,
        "rule": parts.rule,
        "date": datetime.fromtimestamp(parts.done_at, UTC).strftime("%Y-%m-%d"),
        "hash8": parts.content_sha256[:8],
        "n": number,
    }
    name = template.format_map(fields).replace("/", "_").replace("\0", "_")
    # A dot in front would hide the result; `.`, `..` and nothing are no file names.
    return "_" + name[1:] if not name or name.startswith(".") else name
