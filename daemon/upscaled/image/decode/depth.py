"""How many bits a file has for each sample, where Pillow gives 8 of them and says nothing."""

import struct
from collections.abc import Callable

from PIL import Image

_BITS_OF_TIFF = 258
_HEADERS_BYTES = 65_536
"""Where the boxes of an AVIF and the first marker of a JPEG 2000 stand."""
_HIGH, _TWELVE = 0x40, 0x20
_START_AND_SIZE = b"\xff\x4f\xff\x51"
_COMPONENTS_AT = 40
"""From the start of a JPEG 2000 codestream: their number, then three bytes for each."""


def bits_of(content: bytes, image: Image.Image) -> int:
    """Of the deepest channel; 8 where it is not known to be more. `image` is not loaded yet."""
    found = _READERS.get(image.format or "")
    return found(content[:_HEADERS_BYTES], image) if found else 8


def _of_heif(_: bytes, image: Image.Image) -> int:
    return int(image.info.get("bit_depth") or 8)


def _of_avif(head: bytes, _: Image.Image) -> int:
    """AV1CodecConfigurationBox, section 2.3 of "AV1 Codec ISO Media File Format Binding"."""
    deepest, at = 8, head.find(b"av1C")
    while 0 <= at < len(head) - 7:
        version, flags = head[at + 4], head[at + 6]
        if version == 0x81 and flags & _HIGH:
            deepest = max(deepest, 12 if flags & _TWELVE else 10)
        at = head.find(b"av1C", at + 4)
    return deepest


def _of_jpeg_2000(head: bytes, _: Image.Image) -> int:
    """SIZ, ISO/IEC 15444-1, A.5.1: each component's depth less one, the highest bit for a sign."""
    at = head.find(_START_AND_SIZE)
    if at < 0 or at + _COMPONENTS_AT + 2 > len(head):
        return 8
    (count,) = struct.unpack_from(">H", head, at + _COMPONENTS_AT)
    found = head[at + _COMPONENTS_AT + 2 :][: 3 * count : 3]
    return max(((depth & 0x7F) + 1 for depth in found), default=8)


def _of_sgi(head: bytes, _: Image.Image) -> int:
    return 8 * head[3]


def _of_ppm(_: bytes, image: Image.Image) -> int:
    """What Pillow has read of the header: the mode of its samples, and their largest value."""
    tiles = getattr(image, "tile", ())
    told = tiles[0].args if tiles else ()
    most = told[-1] if isinstance(told, tuple) and told else 255
    return most.bit_length() if isinstance(most, int) else 8


def _of_tiff(_: bytes, image: Image.Image) -> int:
    return int(max(getattr(image, "tag_v2", {}).get(_BITS_OF_TIFF, (8,))))


_READERS: dict[str, Callable[[bytes, Image.Image], int]] = {
    "HEIF": _of_heif,
    "AVIF": _of_avif,
    "JPEG2000": _of_jpeg_2000,
    "SGI": _of_sgi,
    "PPM": _of_ppm,
    "TIFF": _of_tiff,
}
