"""Segments of a JPEG, each of which has a length of 16 bits: pure."""

import struct
from typing import Any

from upscaled.image.metadata.metadata import Metadata

MOST_EXIF_BYTES = 65_533
"""A segment's length counts itself."""
_MOST_XMP_BYTES = 65_502
_APP13, _MARK = 0xED, b"Photoshop 3.0\0"
_IPTC = b"8BIM\x04\x04\0\0"


def fit(options: dict[str, Any], kept: Metadata) -> list[str]:
    """Put what Pillow does not know into `options`, and leave out what is too long for a JPEG."""
    notes = []
    if len(options.get("exif", b"")) > MOST_EXIF_BYTES:
        del options["exif"]
        notes.append("its EXIF block is more than jpeg can hold and was left out")
    if len(options.get("xmp", b"")) > _MOST_XMP_BYTES:
        del options["xmp"]
        notes.append("its XMP packet is more than jpeg can hold and was left out")
    if kept.comment:
        options["comment"] = kept.comment[:MOST_EXIF_BYTES]
    if kept.iptc:
        segment = _MARK + resource(kept.iptc)
        if len(segment) > MOST_EXIF_BYTES:
            notes.append("its IPTC record is more than jpeg can hold and was left out")
        else:
            options["extra"] = struct.pack(">BBH", 0xFF, _APP13, len(segment) + 2) + segment
    if kept.dpi:
        # JFIF's density is a whole number of 16 bits.
        options["dpi"] = tuple(min(max(round(along), 1), 65_535) for along in kept.dpi)
    return notes


def resource(iptc: bytes) -> bytes:
    """The image resource of Photoshop that holds IPTC (its file format, section 'resources')."""
    return _IPTC + struct.pack(">I", len(iptc)) + iptc + bytes(len(iptc) % 2)
