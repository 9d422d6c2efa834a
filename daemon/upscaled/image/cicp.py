"""Colours that a file names by number (ITU-T H.273) and not by a profile: pure.

AVIF and HEIF say so in a box, PNG in a chunk; of what is written here, only PNG says it again.
"""

import struct
from typing import Any

from upscaled.image import png

_BOX = b"colrnclx"
_HEAD_BYTES = 65_536
_PRIMARIES = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
_CURVES = {8: "linear", 16: "PQ (HDR)", 18: "HLG (HDR)"}


def chunks_of(content: bytes, info: dict[Any, Any]) -> tuple[png.Chunk, ...]:
    """What a PNG of the same numbers says of them; nothing for sRGB, and what is near to it."""
    if content.startswith(png.SIGNATURE):
        return png.colour_space(content)
    nclx = info.get("nclx_profile")
    if isinstance(nclx, dict):
        found = nclx.get("color_primaries", 2), nclx.get("transfer_characteristics", 2)
    elif content[4:8] == b"ftyp" and (at := content.find(_BOX, 0, _HEAD_BYTES)) >= 0:
        found = struct.unpack_from(">HH", content.ljust(at + 12, b"\0"), at + len(_BOX))
    else:
        return ()
    primaries, curve = (int(number) for number in found)
    if primaries not in _PRIMARIES and curve not in _CURVES:
        return ()
    # RGB over the full range, which is all that a PNG can hold.
    return ((b"cICP", bytes([primaries & 255, curve & 255, 0, 1])),)


def name_of(chunks: tuple[png.Chunk, ...]) -> str:
    """What the colours are, where they are far from sRGB; else empty."""
    for kind, body in chunks:
        if kind == b"cICP" and len(body) >= 2:
            named = _PRIMARIES.get(body[0]), _CURVES.get(body[1])
            return ", ".join(word for word in named if word)
    return ""
