"""A film behind a photograph, as phones keep one: pure."""

_BRANDS = frozenset(
    {b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"qt  "}
)
_LONGEST_HEAD_BYTES = 256


def has_film(content: bytes) -> bool:
    """Whether an MP4 or QuickTime file lies behind a JPEG, or in the box that HEIC has for it."""
    if content[4:8] == b"ftyp":
        return content.find(b"mpvd", 8) > 0 and b"mpvd" in _boxes(content)
    if not content.startswith(b"\xff\xd8\xff"):
        return False
    at = content.find(b"ftyp", 4)
    while at > 0:
        size = int.from_bytes(content[at - 4 : at], "big")
        # Its end of image stands before it: in a picture's own data no such word is likely.
        if 16 <= size <= _LONGEST_HEAD_BYTES and content[at + 4 : at + 8] in _BRANDS:
            return content.rfind(b"\xff\xd9", 0, at) > 0
        at = content.find(b"ftyp", at + 4)
    return False


def _boxes(content: bytes) -> set[bytes]:
    """Kinds of the boxes that the file is made of."""
    kinds, at = set(), 0
    while at + 16 <= len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        kinds.add(content[at + 4 : at + 8])
        if size == 1:
            size = int.from_bytes(content[at + 8 : at + 16], "big")
        if size < 8:
            break
        at += size
    return kinds
