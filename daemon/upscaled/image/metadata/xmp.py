"""What of an XMP packet is not true any more of a larger picture that stands alone: pure.

https://developer.android.com/media/platform/hdr-image-format and
https://developer.android.com/media/platform/motion-photo-format: both say how long what lies behind
the picture is, which viewers then look for in its last bytes.
"""

import re

_ORIENTATION = re.compile(rb"(tiff:Orientation(?:=[\"']|>))[1-8](?=[\"'<])")
_WIDTH = re.compile(rb"((?:tiff:ImageWidth|exif:PixelXDimension)(?:=[\"']|>))\d+(?=[\"'<])")
_HEIGHT = re.compile(rb"((?:tiff:ImageLength|exif:PixelYDimension)(?:=[\"']|>))\d+(?=[\"'<])")
_GAIN_MAP = rb"hdrgm:\w+"
_FILM = rb"(?:GCamera|Camera):(?:MotionPhoto|MicroVideo)\w*"
# Bounded: a packet may be made to cost time.
_ATTRIBUTE = rb"\s?=\s?(?:\"[^\"<>]{0,2000}\"|'[^'<>]{0,2000}')"
_ELEMENT = rb"(?:\s[^<>]{0,2000})?(?:/>|>.{0,2000}?</\1>)"
_PARTS = re.compile(rb"<(Container|GContainer):Directory\b.{0,9000}?</\1:Directory>", re.DOTALL)


def upright(packet: bytes) -> bytes:
    return _ORIENTATION.sub(rb"\g<1>1", packet)


def alone(packet: bytes) -> tuple[bytes, bool]:
    """Without what it says of other parts of its file; whether one of them was a gain map."""
    if not (b"hdrgm:" in packet or _PARTS.search(packet) or re.search(_FILM, packet)):
        return packet, False
    has_map = re.search(_GAIN_MAP + rb"\s*[=>]", packet) is not None
    for name in (_GAIN_MAP, _FILM):
        packet = re.sub(rb"\s" + name + _ATTRIBUTE, b"", packet)
        packet = re.sub(rb"<(" + name + rb")" + _ELEMENT, b"", packet, flags=re.DOTALL)
    return _PARTS.sub(b"", packet), has_map


def sized(packet: bytes, width_px: int, height_px: int) -> bytes:
    """Of a picture of this size, where it says so."""
    packet = _WIDTH.sub(rb"\g<1>%d" % width_px, packet)
    return _HEIGHT.sub(rb"\g<1>%d" % height_px, packet)
