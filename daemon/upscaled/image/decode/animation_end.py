"""Whether the end of an animation is there: pure.

Pillow plays what has arrived of a GIF or an APNG, and says nothing of what has not. Bytes behind
the end are nobody's business.
"""

_PNG = b"\x89PNG\r\n\x1a\n"
_GIF_HEAD_BYTES = 13
_EXTENSION, _IMAGE, _END = 0x21, 0x2C, 0x3B


def has_end(content: bytes) -> bool:
    """True too where the format has no mark for its end."""
    if content.startswith(b"GIF8"):
        return _gif_has_end(content)
    return not content.startswith(_PNG) or _png_has_end(content)


def _png_has_end(content: bytes) -> bool:
    at = len(_PNG)
    while at + 12 <= len(content):
        if content[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + int.from_bytes(content[at : at + 4], "big")
    return False


def _gif_has_end(content: bytes) -> bool:
    at = _GIF_HEAD_BYTES + _table_bytes(content, 10)
    while at < len(content):
        kind = content[at]
        if kind == _END:
            return True
        if kind == _EXTENSION:
            at = _behind_blocks(content, at + 2)
        elif kind == _IMAGE:
            at = _behind_blocks(content, at + 11 + _table_bytes(content, at + 9))
        else:
            at += 1  # a stray byte, which decoders pass over
    return False


def _table_bytes(content: bytes, flags_at: int) -> int:
    flags = content[flags_at] if flags_at < len(content) else 0
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _behind_blocks(content: bytes, at: int) -> int:
    while at < len(content) and content[at]:
        at += content[at] + 1
    return at + 1
