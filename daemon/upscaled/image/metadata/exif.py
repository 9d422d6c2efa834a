"""EXIF blocks: what is true of the larger image is written anew, every other byte stays.

Maker notes point into their block by their place in it, so that nothing in a block is moved: its
first directory is written anew at the end (the thumbnail is left behind), dimensions where they
stand. EXIF 2.32, section 4.6.
"""

import struct

from upscaled.image.metadata import ifd
from upscaled.image.metadata.ifd import Directory, Layout, TagEntry

ORIENTATION = 0x0112
EXIF_IFD, GPS_IFD, INTEROP_IFD = 0x8769, 0x8825, 0xA005
PROCESSING_SOFTWARE = 0x000B
"""Exiv2's and ExifTool's name for what worked on an image after the camera's `Software` did."""
_THUMBNAIL_AT, _THUMBNAIL_BYTES = 513, 514
_PIXEL_X, _PIXEL_Y = 0xA002, 0xA003
_WIDTH, _HEIGHT = 256, 257
XMP, IPTC, PHOTOSHOP, ICC = 700, 33723, 34377, 34675
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
# How a TIFF lays out its own pixels (TIFF 6.0, sections 8 and 15; DNG): copied into another file,
# these would point anywhere.
LAYOUT_TAGS = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 266, 273, 277, 278, 279, 284, 288, 289, 292, 293, 317}
    | {320, 322, 323, 324, 325, 330, 332, 333, 334, 336, 338, 339, 340, 341, 347, 512, 513, 514}
    | {515, 517, 518, 519, 520, 521, 529, 530, 531, 532}
)
_ELSEWHERE = frozenset({XMP, IPTC, PHOTOSHOP, ICC, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT})
"""What a TIFF holds among its tags, and `Metadata` in fields of their own."""


def orientation_of(block: bytes) -> int:
    """1 to 8; 1 where it is not said, or is nonsense.

    Raises:
        ValueError: the block is broken.
    """
    layout, directory, _ = ifd.first(block)
    found = layout.number(directory.get(ORIENTATION), 1)
    return found if 1 <= found <= 8 else 1


def software_of(block: bytes) -> str:
    """What `processing_software` was written there, if anything."""
    try:
        entry = ifd.first(block)[1].get(PROCESSING_SOFTWARE)
    except ValueError:
        return ""
    return entry.body.rstrip(b"\0").decode("ascii", "replace") if entry else ""


def upright(block: bytes) -> bytes:
    """The block without orientation and thumbnail: what `Metadata.exif` holds.

    Raises:
        ValueError: the block is broken.
    """
    layout, directory, following = ifd.first(block)
    layout.read(block, layout.number(directory[EXIF_IFD])) if EXIF_IFD in directory else None
    kept = {tag: entry for tag, entry in directory.items() if tag != ORIENTATION}
    return _rewritten(_without_thumbnail(block, layout, following), layout, kept)


def finished(block: bytes | None, *, width_px: int, height_px: int, software: str | None) -> bytes:
    """With the size of the image as it is now, and what it was made by; empty: nothing to say."""
    if block is None:
        if software is None:
            return b""
        # Pillow 13 does not know a BigTIFF of the other order.
        block = _new(Layout("<"))
    layout, directory, _ = ifd.first(block)
    changed = dict(directory)
    for tag, size_px in ((_WIDTH, width_px), (_HEIGHT, height_px)):
        if tag in changed:
            changed[tag] = layout.long(size_px)
    if software is not None:
        changed[PROCESSING_SOFTWARE] = ifd.text(software)
    made = bytearray(_rewritten(block, layout, changed))
    if EXIF_IFD in changed:
        at = layout.number(changed[EXIF_IFD])
        _patch(made, layout, at, {_PIXEL_X: width_px, _PIXEL_Y: height_px})
    return bytes(made) if changed else b""


def of_tiff(content: bytes) -> bytes:
    """The tags of a TIFF that are not about its pixels, as an EXIF block of its byte order.

    It may be empty: pages of one file have one order.

    Raises:
        ValueError: it has no directory.
    """
    there, directory, _ = ifd.first(content)
    layout = Layout(there.order)
    block = bytearray(layout.header())
    kept = {
        tag: entry
        for tag, entry in directory.items()
        if tag not in LAYOUT_TAGS | _ELSEWHERE | {ORIENTATION} and entry.kind < ifd.LONG8
    }
    for tag in (EXIF_IFD, GPS_IFD):
        if tag in kept:
            kept[tag] = layout.pointer(moved(content, there, kept[tag], block, layout))
    return pointed(block, layout, layout.append(block, kept))


def into_tiff(content: bytes, block: bytes, more: Directory) -> bytes:
    """A TIFF whose first page has the tags of the EXIF `block` too, and those of `more`.

    `content` has to have the byte order of `block`.

    Raises:
        ValueError: one of them is none.
    """
    there, page, following = ifd.first(content)
    made = bytearray(content)
    tags: Directory = dict(more)
    if block:
        layout, directory, _ = ifd.first(block)
        tags |= {tag: entry for tag, entry in directory.items() if tag not in LAYOUT_TAGS}
        for tag in (EXIF_IFD, GPS_IFD):
            if tag in tags:
                tags[tag] = there.pointer(moved(block, layout, tags[tag], made, there))
    return pointed(made, there, there.append(made, tags | page, following))


def moved(source: bytes, there: Layout, pointer: TagEntry, to: bytearray, layout: Layout) -> int:
    """A directory below the first one, and the one below it, at the end of `to`."""
    directory, _ = there.read(source, there.number(pointer))
    if INTEROP_IFD in directory:
        below, _ = there.read(source, there.number(directory[INTEROP_IFD]))
        directory[INTEROP_IFD] = layout.pointer(layout.append(to, below))
    return layout.append(to, directory)


def _new(layout: Layout) -> bytes:
    block = bytearray(layout.header())
    return pointed(block, layout, layout.append(block, {}))


def _rewritten(block: bytes, layout: Layout, directory: Directory) -> bytes:
    (at,) = struct.unpack_from(layout.offset, block, layout.first_at)
    body = bytearray(block)
    if _ends_with(block, layout, at):
        del body[at:]
    return pointed(body, layout, layout.append(body, directory))


def _ends_with(block: bytes, layout: Layout, at: int) -> bool:
    """Whether the directory at `at` and its values, as `append` writes them, are the end."""
    directory, following = layout.read(block, at)
    written = bytearray(at)
    layout.append(written, directory, following)
    return bytes(written[at:]) == block[at:]


def pointed(block: bytearray, layout: Layout, at: int) -> bytes:
    """The block, its first directory at `at`."""
    struct.pack_into(layout.offset, block, layout.first_at, at)
    return bytes(block)


def _without_thumbnail(block: bytes, layout: Layout, following: int) -> bytes:
    """Cut off where it is the last thing in the block, as cameras write it."""
    if not following:
        return block
    try:
        directory, _ = layout.read(block, following)
    except ValueError:
        return block
    at = layout.number(directory.get(_THUMBNAIL_AT))
    end = at + layout.number(directory.get(_THUMBNAIL_BYTES))
    return block[:at] if following < at < end and end >= len(block) - 1 else block


def _patch(block: bytearray, layout: Layout, at: int, numbers: dict[int, int]) -> None:
    """Integers of a directory, where they stand."""
    (count,) = struct.unpack_from(f"{layout.order}H", block, at)
    for place in range(at + 2, at + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from(f"{layout.order}H", block, place)
        if tag in numbers:
            struct.pack_into(f"{layout.order}HHII", block, place, tag, ifd.LONG, 1, numbers[tag])
