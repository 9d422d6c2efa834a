"""Animated PNG, written one frame after the other: PNG 3rd edition, section 11.3.6."""

import struct
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import BinaryIO

import numpy as np

from upscaled.image.decode.frames import Frame, Timeline
from upscaled.image.encode.frame_diff import Box, bounds, rgba
from upscaled.image.picture import Picture, Samples

EncodeOne = Callable[[Picture], bytes]
"""A picture to a file of the format, always with the transparency that it has."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MOST = 0xFFFF
_OF_PIXELS = {b"IHDR", b"IDAT", b"IEND", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"fdAT"}


def write_apng(
    stream: BinaryIO, frames: Iterator[Frame], timeline: Timeline, encode_one: EncodeOne
) -> None:
    """The first frame whole, then of each what is not as it was: no pixel is blended."""
    sequence = 0
    shown = None
    for frame, duration_ms in zip(frames, timeline.durations_ms, strict=True):
        wanted = rgba(frame.picture)
        box = (0, 1, 0, 1)
        if shown is None or wanted.shape != shown.shape:
            box = (0, wanted.shape[0], 0, wanted.shape[1])
        elif not frame.repeats:
            box = bounds((wanted != shown).any(axis=2)) or box
        chunks = list(_chunks(encode_one(cut(frame.picture, box))))
        if shown is None:
            _write_head(stream, chunks, len(timeline.durations_ms), timeline.plays)
        _write(stream, b"fcTL", _control(sequence, box, duration_ms))
        sequence += 1
        for kind, body in chunks:
            if kind == b"IDAT" and shown is None:
                _write(stream, kind, body)
            elif kind == b"IDAT":
                _write(stream, b"fdAT", struct.pack(">I", sequence) + body)
                sequence += 1
        shown = wanted
    _write(stream, b"IEND", b"")


def cut(picture: Picture, box: Box) -> Picture:
    top, bottom, left, right = box
    if (bottom - top, right - left) == picture.colour.shape[:2]:
        return picture

    def inside(samples: Samples) -> Samples:
        part: Samples = np.ascontiguousarray(samples[top:bottom, left:right])  # type: ignore[assignment]  # numpy forgets the dtype
        return part

    alpha = None if picture.alpha is None else inside(picture.alpha)
    return Picture(inside(picture.colour), alpha, gray=picture.gray)


def _write_head(
    stream: BinaryIO, chunks: list[tuple[bytes, bytes]], count: int, plays: int
) -> None:
    stream.write(_SIGNATURE)
    _write(stream, *next(chunk for chunk in chunks if chunk[0] == b"IHDR"))
    _write(stream, b"acTL", struct.pack(">II", count, min(plays, 0x7FFF_FFFF)))
    for kind, body in chunks:
        if kind not in _OF_PIXELS:
            _write(stream, kind, body)


def _control(sequence: int, box: Box, duration_ms: float) -> bytes:
    top, bottom, left, right = box
    delay, unit = delay_of(duration_ms)
    # Left as it is afterwards; put over what is there, transparency too.
    size = right - left, bottom - top, left, top
    return struct.pack(">IIIIIHHBB", sequence, *size, delay, unit, 0, 0)


def delay_of(duration_ms: float) -> tuple[int, int]:
    """Numerator and denominator of seconds; 18 hours are the longest."""
    seconds = Fraction(duration_ms / 1000).limit_denominator(10_000)
    if seconds.numerator > _MOST:
        seconds = Fraction(min(round(duration_ms / 1000), _MOST))
    return seconds.numerator, seconds.denominator


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(png):
        size, kind = struct.unpack_from(">I4s", png, at)
        yield kind, png[at + 8 : at + 8 + size]
        at += 12 + size


def _write(stream: BinaryIO, kind: bytes, body: bytes) -> None:
    check = struct.pack(">I", zlib.crc32(kind + body))
    stream.write(struct.pack(">I", len(body)) + kind + body + check)
