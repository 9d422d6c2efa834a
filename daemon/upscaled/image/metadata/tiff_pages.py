"""The pages of a TIFF as files of one page each, and the way back.

TIFF 6.0, section 2, and BigTIFF (https://www.awaresystems.be/imaging/tiff/bigtiff.html).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from upscaled.errors import ImageTooLarge, TruncatedImage
from upscaled.image.metadata.tiff_page import alone

_TYPE_BYTES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 2, 4, 8, 8, 8)
_FORMS = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_KIND_OF_PAGE, _WIDTH, _HEIGHT = 254, 256, 257
_REDUCED_OR_MASK = 1 | 4
_PLACES = frozenset({273, 288, 324, 519, 520, 521})
"""Tags whose values are places in the file."""
_DIRECTORIES = frozenset({330, 34665, 34853, 40965})
"""Tags whose values are places of more directories: SubIFDs, EXIF, GPS, interoperability."""
_MOST_DIRECTORIES = 100_000
_MOST_ENTRIES = 2_000_000
"""Of all directories: they may lie over each other in a file that was made to cost time."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where things stand in classic TIFF and in BigTIFF."""

    endian: str
    is_big: bool

    @property
    def first_at(self) -> int:
        return 8 if self.is_big else 4

    @property
    def place(self) -> str:
        return self.endian + ("Q" if self.is_big else "I")

    @property
    def count(self) -> str:
        return self.endian + ("Q" if self.is_big else "H")

    @property
    def entry(self) -> str:
        return self.endian + ("HHQ" if self.is_big else "HHI")


@dataclass(frozen=True, slots=True)
class _Entry:
    tag: int
    kind: int
    values: int
    value_at: int
    """Of the value, or of the place that it stands at."""
    is_local: bool


def survey(content: bytes) -> tuple[list[tuple[int, int]], int]:
    """Width and height of each page as it is stored, and how many reduced copies there are."""
    layout = _layout(content)
    sizes, left_out, entries = [], 0, 0
    for at, next_at in _directories(content, layout):
        entries += (next_at - at) // 12
        if entries > _MOST_ENTRIES:
            raise ImageTooLarge(f"a TIFF of more than {_MOST_ENTRIES:,} tags")
        tags = _shorts(content, layout, at)
        if tags.get(_KIND_OF_PAGE, 0) & _REDUCED_OR_MASK:
            left_out += 1
        else:
            sizes.append((tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0)))
    return sizes, left_out


def pages(content: bytes) -> Iterator[bytes]:
    """Each page as a file, one at a time."""
    layout = _layout(content)
    for at, next_at in _directories(content, layout):
        if _shorts(content, layout, at).get(_KIND_OF_PAGE, 0) & _REDUCED_OR_MASK:
            continue
        yield alone(content, at, next_at)


class PageWriter:
    """Files of one page, put behind each other. The stream can be sought, and read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._link_at: int | None = None
        self._layout: _Layout | None = None

    def add(self, page: bytes) -> None:
        """The page of a file with one; all files of the same byte order and kind.

        Raises:
            ImageTooLarge: a classic TIFF ends at 4 GB.
        """
        layout = _layout(page)
        if self._layout not in (None, layout):
            raise ImageTooLarge(
                "some of its pages need BigTIFF or another byte order, and some do not",
                hint="write them as single files: cut the TIFF into pages first",
            )
        self._layout = layout
        base = self._stream.seek(0, 2)
        base += self._stream.write(bytes(-base % 16))
        if base + len(page) > 0xFFFF_FFFF and not layout.is_big:
            raise ImageTooLarge(
                "its pages together are more than a TIFF can hold (4 GB)",
                hint="cut the TIFF into parts first",
            )
        moved = bytearray(page)
        (first,) = struct.unpack_from(layout.place, page, layout.first_at)
        _move(page, moved, layout, first, base=base, seen=set())
        self._stream.write(moved)
        if self._link_at is not None:
            self._stream.seek(self._link_at)
            self._stream.write(struct.pack(layout.place, base + first))
        self._link_at = base + _next_at(page, layout, first)


def _layout(content: bytes) -> _Layout:
    return _Layout("<" if content[:2] == b"II" else ">", 0x2B in content[2:4])


def _directories(content: bytes, layout: _Layout) -> Iterator[tuple[int, int]]:
    """Where each directory stands, and where the place of the next does."""
    (at,) = _unpacked(layout.place, content, layout.first_at)
    seen: set[int] = set()
    while at and at not in seen and len(seen) < _MOST_DIRECTORIES:
        seen.add(at)
        next_at = _next_at(content, layout, at)
        yield at, next_at
        (at,) = _unpacked(layout.place, content, next_at)


def _next_at(content: bytes, layout: _Layout, at: int) -> int:
    (entries,) = _unpacked(layout.count, content, at)
    each = struct.calcsize(layout.entry) + struct.calcsize(layout.place)
    return at + struct.calcsize(layout.count) + int(entries) * each


def _entries(content: bytes, layout: _Layout, at: int) -> Iterator[_Entry]:
    head, room = struct.calcsize(layout.entry), struct.calcsize(layout.place)
    end = _next_at(content, layout, at)
    for place in range(at + struct.calcsize(layout.count), end, head + room):
        tag, kind, values = _unpacked(layout.entry, content, place)
        size = (_TYPE_BYTES[kind] if kind < len(_TYPE_BYTES) else 1) * values
        yield _Entry(tag, kind, values, place + head, is_local=size <= room)


def _shorts(content: bytes, layout: _Layout, at: int) -> dict[int, int]:
    """The values of tags that have one whole number."""
    found = {}
    for entry in _entries(content, layout, at):
        if entry.values == 1 and entry.kind in (3, 4):
            form = layout.endian + _FORMS[entry.kind]
            (found[entry.tag],) = _unpacked(form, content, entry.value_at)
    return found


def _move(
    page: bytes, moved: bytearray, layout: _Layout, at: int, *, base: int, seen: set[int]
) -> None:
    """Add `base` to every place that the directory names, and to those of directories below it."""
    if at in seen:
        return
    seen.add(at)
    for entry in _entries(page, layout, at):
        value_at = entry.value_at
        if not entry.is_local:
            (value_at,) = _unpacked(layout.place, page, value_at)
            struct.pack_into(layout.place, moved, entry.value_at, value_at + base)
        form = _FORMS.get(entry.kind)
        if entry.tag not in _PLACES | _DIRECTORIES or form is None:
            continue
        places = _unpacked(f"{layout.endian}{entry.values}{form}", page, value_at)
        new = [place + base for place in places]
        if form == "H":
            _widen(moved, layout, entry, new, base)
        else:
            struct.pack_into(f"{layout.endian}{entry.values}{form}", moved, value_at, *new)
        if entry.tag in _DIRECTORIES:
            for place in places:
                _move(page, moved, layout, place, base=base, seen=seen)


def _widen(moved: bytearray, layout: _Layout, entry: _Entry, places: list[int], base: int) -> None:
    """Places of 16 bits, as libtiff writes them near the beginning of a file, in 32."""
    packed = struct.pack(f"{layout.endian}{len(places)}I", *places)
    room = struct.calcsize(layout.place)
    struct.pack_into(f"{layout.endian}H", moved, entry.value_at - room - 2, 4)
    if len(packed) > room:
        moved += bytes(-len(moved) % 16)
        at = len(moved)
        moved += packed
        packed = struct.pack(layout.place, at + base)
    moved[entry.value_at : entry.value_at + room] = packed.ljust(room, b"\0")


def _unpacked(form: str, content: bytes, at: int) -> tuple[int, ...]:
    try:
        return struct.unpack_from(form, content, at)
    except struct.error as error:
        raise TruncatedImage("the TIFF ends before its last page") from error
