"""Colours that a file names by number (ITU-T H.273) and not by a profile: pure.

AVIF and HEIF say so in a box, PNG in a chunk; of what is written here, only PNG says it again.
"""

import struct
from typing import Any

from upscaled.image.metadata import png_chunks

_BOX = b"colrnclx"
_HEAD_BYTES = 65_536
_BT_709, _UNSPECIFIED = 1, 2
_PRIMARIES = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
_CURVES = {8: "linear", 16: "PQ (HDR)", 18: "HLG (HDR)"}


def chunks_of(content: bytes, info: dict[Any, Any]) -> tuple[png_chunks.Chunk, ...]:
    """What a PNG of the same numbers says of them; nothing for sRGB, and what is near to it."""
    if content.startswith(png_chunks.SIGNATURE):
        return png_chunks.colour_space(content)
    nclx = info.get("nclx_profile")
    if isinstance(nclx, dict):
        found = (
            nclx.get("color_primaries", _UNSPECIFIED),
            nclx.get("transfer_characteristics", _UNSPECIFIED),
        )
    else:
        found = _of_boxes(content)
    primaries, curve = (int(number) for number in found)
    if primaries not in _PRIMARIES and curve not in _CURVES:
        return ()
    # RGB over the full range, which is all that a PNG can hold.
    primaries = _BT_709 if primaries == _UNSPECIFIED else primaries
    return ((b"cICP", bytes([primaries & 255, curve & 255, 0, 1])),)


def _of_boxes(content: bytes) -> tuple[int, int]:
    """Of an AVIF, where all that it says is the same.

    A gain map, and what it makes of the image, have boxes of their own: then it is not known which
    of them is the image's, and SDR must not be called HDR.
    """
    found = set()
    head = content[:_HEAD_BYTES] if content[4:8] == b"ftyp" else b""
    at = head.find(_BOX)
    while 0 <= at <= len(head) - len(_BOX) - 4:
        found.add(struct.unpack_from(">HH", head, at + len(_BOX)))
        at = head.find(_BOX, at + len(_BOX))
    return found.pop() if len(found) == 1 and b"tmap" not in head else (_UNSPECIFIED, _UNSPECIFIED)


def name_of(chunks: tuple[png_chunks.Chunk, ...]) -> str:
    """What the colours are, where they are far from sRGB; else empty."""
    for kind, body in chunks:
        if kind == b"cICP" and len(body) >= 2:
            named = _PRIMARIES.get(body[0]), _CURVES.get(body[1])
            return ", ".join(word for word in named if word)
    return ""
