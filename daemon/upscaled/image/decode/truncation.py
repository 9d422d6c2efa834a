"""Whether a file was cut off, by what its own structure says of its length: pure.

Decoders tell some files that are still arriving from damaged ones, and some not.
"""

import struct

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"
_BOX_BYTES = 8
# Signs do not matter here; a rational counts as its eight bytes.
_TIFF_TYPES = {3: "H", 4: "I", 5: "Q", 8: "H", 9: "I", 10: "Q", 11: "I", 12: "Q", 13: "I"}
_TIFF_PIXELS = ((273, 279), (324, 325))
"""Tags of the places and lengths of strips and of tiles."""
_INLINE_BYTES = 4


def is_cut_off(content: bytes) -> bool:
    """True where the file says that it is longer than it is; False: it does not say."""
    if content[4:8] in (b"ftyp", b"jP  "):
        return _ends_inside_a_box(content)
    if content[:4] in (b"II*\0", b"MM\0*"):
        return _ends_before_its_parts(content)
    return (
        (content.startswith(_PNG) and not content.endswith(_PNG_END))
        or (content.startswith(b"\xff\xd8\xff") and b"\xff\xd9" not in content)
        or (content.startswith(b"GIF8") and not content.endswith(b";"))
        or (
            content.startswith(b"RIFF")
            and int.from_bytes(content[4:8], "little") + 8 > len(content)
        )
    )


def _ends_before_its_parts(content: bytes) -> bool:
    """TIFF 6.0, section 2: the first directory, what it points to, and the pixels."""
    endian = ">" if content.startswith(b"MM") else "<"
    pointed: dict[int, tuple[int, ...]] = {}
    try:
        (at,) = struct.unpack_from(f"{endian}I", content, 4)
        (entries,) = struct.unpack_from(f"{endian}H", content, at)
        for entry in range(at + 2, at + 2 + 12 * entries, 12):
            tag, kind, count = struct.unpack_from(f"{endian}HHI", content, entry)
            form = f"{endian}{count}{_TIFF_TYPES.get(kind, 'B')}"
            place = entry + 8
            if struct.calcsize(form) > _INLINE_BYTES:
                (place,) = struct.unpack_from(f"{endian}I", content, place)
            pointed[tag] = struct.unpack_from(form, content, place)
    except struct.error:
        return True
    ends = (
        start + size
        for starts, sizes in _TIFF_PIXELS
        for start, size in zip(pointed.get(starts, ()), pointed.get(sizes, ()), strict=False)
    )
    return max(ends, default=0) > len(content)


def _ends_inside_a_box(content: bytes) -> bool:
    """ISO/IEC 14496-12, section 4.2: AVIF, HEIC, JPEG 2000 and JPEG XL are boxes in a row."""
    at = 0
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        if size == 1:  # the size follows in 64 bits
            size = int.from_bytes(content[at + 8 : at + 16], "big")
        if size == 0:  # to the end of the file, wherever that is
            return False
        at += max(size, _BOX_BYTES)
    return at > len(content)
