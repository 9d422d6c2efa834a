"""What Pillow does not do for PNG: chunks that it does not hand on, and samples of 16 bits: pure.

https://www.w3.org/TR/png-3/, sections 5.3 and 11.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END_OF_HEADER = 33
Chunk = tuple[bytes, bytes]
_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"tIME")
_KEPT_ELSEWHERE = (b"XML:com.adobe.xmp\0", b"Raw profile type ")
_OF_ANIMATION = (b"acTL", b"fcTL", b"fdAT")
COLOUR_SPACES = (b"cICP", b"sRGB", b"gAMA", b"cHRM", b"mDCV", b"cLLI")


def chunks(content: bytes) -> Iterator[Chunk]:
    """Type and body, as far as the file is whole; without those of pixels."""
    at = len(SIGNATURE)
    while content.startswith(SIGNATURE) and at + 12 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        if kind != b"IDAT" and at + 12 + size <= len(content):
            yield kind, content[at + 8 : at + 8 + size]
        at += 12 + size


def texts(content: bytes) -> tuple[Chunk, ...]:
    """What is told of the image in words and its time, but for XMP and profiles in text form."""
    return tuple(
        (kind, body)
        for kind, body in chunks(content)
        if kind in _TEXTS and not body.startswith(_KEPT_ELSEWHERE)
    )


def colour_space(content: bytes) -> tuple[Chunk, ...]:
    """What says, beside a profile, which colours the numbers mean."""
    return tuple(chunk for chunk in chunks(content) if chunk[0] in COLOUR_SPACES)


def still(content: bytes) -> bytes:
    """Without what makes it an animation."""
    if all(kind != b"acTL" for kind, _ in chunks(content)):
        return content
    parts, at = [content[: len(SIGNATURE)]], len(SIGNATURE)
    while at + 12 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        if kind not in _OF_ANIMATION:
            parts.append(content[at : at + 12 + size])
        at += 12 + size
    return b"".join(parts)


def with_chunks(content: bytes, added: Iterable[Chunk]) -> bytes:
    """`added` right behind the header, where everything may stand that has to come early."""
    return content[:END_OF_HEADER] + b"".join(map(_packed, added)) + content[END_OF_HEADER:]


def profile(icc: bytes) -> Chunk:
    return b"iCCP", b"icc\0\0" + zlib.compress(icc)


def resolution(dpi: tuple[float, float]) -> Chunk:
    return b"pHYs", struct.pack(">IIB", *(round(along / 0.0254) for along in dpi), 1)


def xmp(packet: bytes) -> Chunk:
    return b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet


def comment(text: bytes) -> Chunk:
    """As UTF-8 where it is, else as the Latin-1 that `tEXt` means."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return b"tEXt", b"Comment\0" + text.replace(b"\0", b" ")
    return b"iTXt", b"Comment\0\0\0\0\0" + text.replace(b"\0", b" ")


def raw_profile(name: str, body: bytes) -> Chunk:
    """ImageMagick's form for what has no chunk of its own; ExifTool reads it too."""
    digits = body.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    told = f"\n{name}\n{len(body):8d}\n{lines}\n".encode("ascii")
    return b"zTXt", f"Raw profile type {name}".encode("ascii") + b"\0\0" + zlib.compress(told)


def _packed(chunk: Chunk) -> bytes:
    kind, body = chunk
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def encode_deep(samples: NDArray[Any], effort: str) -> bytes:
    """Samples of 16 bits, height × width × 2 (gray and transparency), 3 or 4."""
    height, width, channels = samples.shape
    kind = {2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    packer = zlib.compressobj({"fast": 1, "normal": 4, "best": 9}[effort])
    above: NDArray[np.uint8] = np.zeros(width * channels * 2, np.uint8)
    body = []
    for row in samples:
        line = np.frombuffer(row.astype(">u2").tobytes(), np.uint8)
        body.append(packer.compress(_filtered(line, above, channels * 2)))
        above = line
    parts = ((b"IHDR", header), (b"IDAT", b"".join([*body, packer.flush()])), (b"IEND", b""))
    return SIGNATURE + b"".join(map(_packed, parts))


def _filtered(line: NDArray[np.uint8], above: NDArray[np.uint8], step: int) -> bytes:
    """By the left or the upper neighbour, whichever leaves less (section 12.7)."""
    sub = line.copy()
    sub[step:] -= line[:-step]
    up = line - above
    # As signed bytes: 255 is a step of one, downwards.
    left, upper = (int(np.abs(way.view(np.int8).astype(np.int16)).sum()) for way in (sub, up))
    return b"\1" + sub.tobytes() if left <= upper else b"\2" + up.tobytes()
