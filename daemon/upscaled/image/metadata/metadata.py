"""What travels with the pixels: read from a file's bytes and from what Pillow found in them."""

import struct
from dataclasses import dataclass, field
from typing import Any

from upscaled.image.metadata import exif, ifd, png_chunks, xmp

Notes = tuple[str, ...]
_BOXES = (b"ftyp", b"JXL ")
"""HEIF, AVIF and JPEG XL, whose orientation is a property of theirs."""
_JXL_BOXES = b"\0\0\0\x0cJXL \r\n\x87\n"
_TIFF_MARKS = (b"II", b"MM")
_IPTC_RESOURCE = 0x0404
_GAIN_MAP = "its HDR gain map was left out"
_BROKEN_EXIF = "its EXIF block is broken and was left out"


@dataclass(frozen=True, slots=True)
class Metadata:
    exif: bytes | None = None
    """A block that begins with II or MM, without orientation (it was applied) and thumbnail."""
    xmp: bytes | None = None
    """The packet, its orientation reset where the file's was applied."""
    iptc: bytes | None = None
    """Records of IIM."""
    comment: bytes | None = None
    texts: tuple[png_chunks.Chunk, ...] = field(default=(), repr=False)
    """Text and time chunks of a PNG, as they stand in it."""
    dpi: tuple[float, float] | None = None
    """Pixels an inch, across and down."""


@dataclass(frozen=True, slots=True)
class FoundMetadata:
    metadata: Metadata
    orientation: int = 1
    """To be applied; 1 to 8."""
    notes: Notes = ()
    """What had to be left out."""


def read(content: bytes, info: dict[Any, Any]) -> FoundMetadata:
    """All there is in a file; `info` is what Pillow found in its header."""
    notes: Notes = ()
    try:
        if content.startswith(_TIFF_MARKS):
            return _of_tiff(content)
        block = _exif_block(info)
        made = None if block is None else exif.upright(block)
        turn = 1 if block is None else exif.orientation_of(block)
    except ValueError:
        made, turn, notes = None, 1, (_BROKEN_EXIF,)
    packet = info.get("xmp") or info.get("XML:com.adobe.xmp")
    if content.startswith(_JXL_BOXES):
        packet, more = _xmp_of_jxl(content)
        notes += more
    about = _xmp(packet, is_turned=turn != 1 or content[4:8] in _BOXES)
    if about is not None:
        about, has_map = xmp.alone(about)
        notes += (_GAIN_MAP,) if has_map else ()
    found = Metadata(
        exif=made,
        xmp=about,
        iptc=_iptc(info),
        comment=_comment(info),
        texts=png_chunks.texts(content),
        dpi=_dpi(info.get("dpi")),
    )
    return FoundMetadata(found, turn, notes)


def profile_of_tiff(content: bytes) -> bytes | None:
    """Raises ValueError: there is no directory of tags."""
    entry = ifd.first(content)[1].get(exif.ICC)
    return entry.body if entry else None


def _of_tiff(content: bytes) -> FoundMetadata:
    layout, directory, _ = ifd.first(content)

    def body(tag: int) -> bytes | None:
        return directory[tag].body if tag in directory else None

    turn = layout.number(directory.get(exif.ORIENTATION), 1)
    units = {2: 1.0, 3: 2.54}
    unit = units.get(layout.number(directory.get(exif.RESOLUTION_UNIT), 2))
    across, down = (
        layout.fraction(directory.get(tag)) for tag in (exif.X_RESOLUTION, exif.Y_RESOLUTION)
    )
    found = Metadata(
        exif=exif.of_tiff(content),
        xmp=_xmp(body(exif.XMP), is_turned=turn != 1),
        iptc=body(exif.IPTC),
        dpi=_dpi((across * unit, down * unit)) if unit else None,
    )
    return FoundMetadata(found, turn)


def _exif_block(info: dict[Any, Any]) -> bytes | None:
    """Raises ValueError: what should be its text is no hexadecimal."""
    block = info.get("exif")
    if block is None and isinstance(old := info.get("Raw profile type exif"), str):
        # ImageMagick's way into a PNG before there was a chunk for it.
        block = bytes.fromhex("".join(old.split("\n")[3:]))
    if not isinstance(block, bytes):
        return None
    return block.removeprefix(b"Exif\0\0") or None


def _xmp(packet: Any, *, is_turned: bool) -> bytes | None:
    """An orientation that only XMP tells is not applied, as in browsers; so it stays."""
    if isinstance(packet, str):
        packet = packet.encode("utf-8", "surrogateescape")
    if not isinstance(packet, bytes):
        return None
    return xmp.upright(packet) if is_turned else packet


def _xmp_of_jxl(content: bytes) -> tuple[bytes | None, Notes]:
    """ISO/IEC 18181-2, section 9: boxes in a row, which the plugin does not hand on."""
    at = 0
    while at + 16 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        head = 8
        if size == 1:
            (size,), head = struct.unpack_from(">Q", content, at + 8), 16
        end = at + size if size else len(content)
        if kind == b"xml ":
            return content[at + head : end], ()
        if kind == b"brob" and content[at + head : at + head + 4] == b"xml ":
            return None, ("its XMP packet is compressed by Brotli and was left out",)
        at = max(end, at + head)
    return None, ()


def _iptc(info: dict[Any, Any]) -> bytes | None:
    resources = info.get("photoshop")
    if isinstance(resources, dict) and isinstance(records := resources.get(_IPTC_RESOURCE), bytes):
        return records or None
    raw = info.get("Raw profile type iptc")
    if not isinstance(raw, str):
        return None
    try:
        blocks = bytes.fromhex("".join(raw.split("\n")[3:]))
    except ValueError:
        return None
    at = blocks.find(b"8BIM\x04\x04\0\0")
    if at < 0:
        return blocks or None
    size = int.from_bytes(blocks[at + 8 : at + 12], "big")
    return blocks[at + 12 : at + 12 + size]


def _comment(info: dict[Any, Any]) -> bytes | None:
    comment = info.get("comment")
    if isinstance(comment, str):
        comment = comment.encode("utf-8", "surrogateescape")
    return comment if isinstance(comment, bytes) and comment else None


def _dpi(value: Any) -> tuple[float, float] | None:
    try:
        x, y = float(value[0]), float(value[1])
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    return (x, y) if 0 < x < 1e5 and 0 < y < 1e5 else None
