"""Animated WebP, written one frame after the other.

https://developers.google.com/speed/webp/docs/riff_container
"""

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np

from upscaled.image.decode.frames import Frame, Timeline
from upscaled.image.encode.apng import EncodeOne, cut
from upscaled.image.encode.frame_diff import Box, bounds, rgba
from upscaled.image.picture import Picture, Samples

_MOST_DURATION_MS = (1 << 24) - 1
_MOST_PLAYS = 0xFFFF
_ICC, _ALPHA, _EXIF, _XMP, _ANIMATION = 0x20, 0x10, 0x08, 0x04, 0x02
_NO_BLENDING = 0x02
_FLAGS_AT = 20


def write_webp(
    stream: BinaryIO, frames: Iterator[Frame], timeline: Timeline, encode_one: EncodeOne
) -> None:
    """What is not as it was of each frame. The stream can be sought.

    Lossy coding changes what it codes again. So what stands still inside of the box of changes is
    made transparent there, and what was shown stays, to the bit.
    """
    shown: Any = None
    flags, trailer = _ANIMATION, b""
    durations = list(durations_ms(timeline.durations_ms))
    for frame, duration in zip(frames, durations, strict=True):
        wanted = rgba(frame.picture, bits=8)
        picture, box, blends = _part(frame, wanted, shown)
        chunks = dict(_chunks(encode_one(picture)))
        if shown is None:
            flags |= _write_head(stream, wanted, chunks, timeline.plays)
            trailer = b"".join(_chunk(k, chunks[k]) for k in (b"EXIF", b"XMP ") if k in chunks)
        if b"ALPH" in chunks or (b"VP8L" in chunks and _has_alpha(chunks[b"VP8L"])):
            flags |= _ALPHA
        body = b"".join(_chunk(k, chunks[k]) for k in (b"ALPH", b"VP8 ", b"VP8L") if k in chunks)
        stream.write(_chunk(b"ANMF", _frame_head(box, duration, blends=blends) + body))
        shown = wanted
    stream.write(trailer)
    size = stream.tell()
    stream.seek(4)
    stream.write(struct.pack("<I", size - 8))
    stream.seek(_FLAGS_AT)
    stream.write(bytes([flags]))
    stream.seek(size)


def durations_ms(exact: tuple[float, ...]) -> Iterator[int]:
    """Whole milliseconds; what rounding takes from one frame the next gets back."""
    owed = 0.0
    for duration in exact:
        owed += duration
        whole = min(max(round(owed), 0), _MOST_DURATION_MS)
        owed = 0.0 if whole == _MOST_DURATION_MS else owed - whole
        yield whole


def _part(frame: Frame, wanted: Any, shown: Any) -> tuple[Picture, Box, bool]:
    """What is to be coded, where, and whether it is put over what is shown."""
    height, width = wanted.shape[:2]
    if shown is None:
        return frame.picture, (0, height, 0, width), False
    changed = np.zeros((height, width), bool)
    if not frame.repeats:
        changed = (wanted != shown).any(axis=2)
    top, bottom, left, right = bounds(changed) or (0, 1, 0, 1)
    # Places are stored halved.
    box = (top & ~1, bottom, left & ~1, right)
    inside = slice(box[0], box[1]), slice(box[2], box[3])
    if bool((wanted[changed][:, 3] == 255).all()) and not bool(changed[inside].all()):
        part = cut(frame.picture, box)
        most = np.iinfo(part.colour.dtype).max
        alpha: Samples = np.where(changed[inside], most, 0).astype(part.colour.dtype)  # type: ignore[assignment]  # numpy forgets the dtype
        return replace(part, alpha=alpha), box, True
    return cut(frame.picture, box), box, False


def _write_head(stream: BinaryIO, wanted: Any, chunks: dict[bytes, bytes], plays: int) -> int:
    height, width = wanted.shape[:2]
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    stream.write(b"RIFF\0\0\0\0WEBP" + _chunk(b"VP8X", bytes(4) + size))
    if b"ICCP" in chunks:
        stream.write(_chunk(b"ICCP", chunks[b"ICCP"]))
    stream.write(_chunk(b"ANIM", struct.pack("<IH", 0, min(plays, _MOST_PLAYS))))
    known = ((b"ICCP", _ICC), (b"EXIF", _EXIF), (b"XMP ", _XMP))
    return sum(flag for kind, flag in known if kind in chunks)


def _frame_head(box: Box, duration_ms: int, *, blends: bool) -> bytes:
    top, bottom, left, right = box
    numbers = (left // 2, top // 2, right - left - 1, bottom - top - 1, duration_ms)
    packed = b"".join(number.to_bytes(3, "little") for number in numbers)
    return packed + bytes([0 if blends else _NO_BLENDING])


def _has_alpha(lossless: bytes) -> bool:
    """The bit behind width and height of 14 bits each (WebP lossless, section 3)."""
    return bool(int.from_bytes(lossless[1:5], "little") >> 28 & 1)


def _chunks(webp: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(webp):
        kind, size = struct.unpack_from("<4sI", webp, at)
        yield kind, webp[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
