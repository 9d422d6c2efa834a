"""Directories of tags, as TIFF files and EXIF blocks hold them: pure.

TIFF 6.0, section 2; BigTIFF (https://www.awaresystems.be/imaging/tiff/bigtiff.html). Values stay
the bytes that they are, in the byte order of their block, so that nothing is lost that has no name.
"""

import struct
from dataclasses import dataclass

KIND_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
ASCII, SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 2, 3, 4, 5, 7, 16
_INTEGERS = {1: "B", SHORT: "H", LONG: "I", 13: "I", LONG8: "Q", 18: "Q"}


@dataclass(frozen=True, slots=True)
class TagEntry:
    kind: int
    count: int
    body: bytes


Directory = dict[int, TagEntry]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a block writes numbers: `order` is `<` or `>`; `is_big`: offsets of 64 bits."""

    order: str
    is_big: bool = False

    @property
    def offset(self) -> str:
        return f"{self.order}{'Q' if self.is_big else 'I'}"

    @property
    def _count(self) -> str:
        return f"{self.order}{'Q' if self.is_big else 'H'}"

    @property
    def _entry(self) -> str:
        return f"{self.order}HH{'Q' if self.is_big else 'I'}"

    @property
    def first_at(self) -> int:
        """Where the header says where the first directory is."""
        return 8 if self.is_big else 4

    def number(self, entry: TagEntry | None, default: int = 0) -> int:
        """The first value of an integer tag; `default` where it is none."""
        form = _INTEGERS.get(entry.kind) if entry else None
        if entry is None or form is None or entry.count < 1:
            return default
        return int(struct.unpack_from(f"{self.order}{form}", entry.body)[0])

    def numbers(self, entry: TagEntry | None) -> tuple[int, ...]:
        """All values of an integer tag; none where it is no such tag."""
        form = _INTEGERS.get(entry.kind) if entry else None
        if entry is None or form is None:
            return ()
        return struct.unpack_from(f"{self.order}{entry.count}{form}", entry.body)

    def fraction(self, entry: TagEntry | None) -> float:
        """The first value of a rational tag; 0 where it is none."""
        if entry is None or entry.kind != RATIONAL or entry.count < 1:
            return 0.0
        above, below = struct.unpack_from(f"{self.order}II", entry.body)
        return above / below if below else 0.0

    def entries(self, at: int, next_at: int) -> int:
        """Of a directory at `at`, behind which stands at `next_at` where the next one is."""
        each = struct.calcsize(self._entry) + struct.calcsize(self.offset)
        return (next_at - at - struct.calcsize(self._count)) // each

    def short(self, value: int) -> TagEntry:
        return TagEntry(SHORT, 1, struct.pack(f"{self.order}H", value))

    def long(self, value: int) -> TagEntry:
        return TagEntry(LONG, 1, struct.pack(f"{self.order}I", value))

    def pointer(self, at: int) -> TagEntry:
        return TagEntry(LONG8 if self.is_big else LONG, 1, struct.pack(self.offset, at))

    def header(self) -> bytes:
        """Of a block whose first directory is not known yet."""
        mark = b"II" if self.order == "<" else b"MM"
        if self.is_big:
            return mark + struct.pack(f"{self.order}HHHQ", 43, 8, 0, 0)
        return mark + struct.pack(f"{self.order}HI", 42, 0)

    def read(self, block: bytes, at: int) -> tuple[Directory, int]:
        """The directory at `at`, and where the next one is (0: nowhere).

        An entry whose value lies outside of the block is left out.

        Raises:
            ValueError: there is no directory.
        """
        width = struct.calcsize(self._entry)
        inline = struct.calcsize(self.offset)
        found: Directory = {}
        try:
            (count,) = struct.unpack_from(self._count, block, at)
            place = at + struct.calcsize(self._count)
            if at < 8 or place + count * (width + inline) > len(block):
                raise ValueError("a directory of tags ends outside of its block")
            for _ in range(count):
                tag, kind, values = struct.unpack_from(self._entry, block, place)
                start, size = place + width, KIND_BYTES.get(kind, 0) * values
                if size > inline:
                    (start,) = struct.unpack_from(self.offset, block, start)
                if size and start + size <= len(block):
                    found[tag] = TagEntry(kind, values, bytes(block[start : start + size]))
                place += width + inline
        except struct.error as error:
            raise ValueError(f"no directory of tags: {error}") from error
        following = block[place : place + inline]
        return found, struct.unpack(self.offset, following)[0] if len(following) == inline else 0

    def append(self, block: bytearray, directory: Directory, following: int = 0) -> int:
        """Write `directory` at the end of `block`; where it is."""
        block += bytes(len(block) % 2)
        at, inline = len(block), struct.calcsize(self.offset)
        head = struct.calcsize(self._count) + len(directory) * (
            struct.calcsize(self._entry) + inline
        )
        values_at = at + head + inline
        lines, values = [struct.pack(self._count, len(directory))], bytearray()
        for tag, entry in sorted(directory.items()):
            lines.append(struct.pack(self._entry, tag, entry.kind, entry.count))
            if len(entry.body) <= inline:
                lines.append(entry.body.ljust(inline, b"\0"))
            else:
                lines.append(struct.pack(self.offset, values_at + len(values)))
                values += entry.body + bytes(len(entry.body) % 2)
        block += b"".join(lines) + struct.pack(self.offset, following) + values
        return at


def layout_of(block: bytes) -> Layout:
    """Raises ValueError: it is no block of tags."""
    order = {b"II": "<", b"MM": ">"}.get(bytes(block[:2]))
    if order is None or len(block) < 8:
        raise ValueError("neither II nor MM")
    (version,) = struct.unpack_from(f"{order}H", block, 2)
    if version not in (42, 43):
        raise ValueError(f"version {version} of TIFF")
    return Layout(order, is_big=version == 43)


def first(block: bytes) -> tuple[Layout, Directory, int]:
    """Layout, first directory, and where the next one is.

    Raises:
        ValueError: there is none.
    """
    layout = layout_of(block)
    try:
        (at,) = struct.unpack_from(layout.offset, block, layout.first_at)
    except struct.error as error:
        raise ValueError(f"no header: {error}") from error
    return (layout, *layout.read(block, at))


def text(value: str) -> TagEntry:
    body = value.encode("ascii", "replace") + b"\0"
    return TagEntry(ASCII, len(body), body)
