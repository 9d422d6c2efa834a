"""Values to columns and back, where they differ."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from upscaled.job import Fingerprint
from upscaled.outcomes import Result

_RANGE = 1 << 64
_HALF = 1 << 63
_EARLIEST_NS = -(1 << 31) * 10**9
"""XFS keeps times from 1901 to 2486, which are just 2⁶⁴ ns: what is below this wrapped round."""

FINGERPRINT = "device, inode, size_bytes, mtime_ns"
SET_RESULT = "output = ?, output_sha256 = ?, width_px = ?, height_px = ?, scale = ?"
RESULT = "output, output_sha256, width_px, height_px, scale"


def fingerprint_columns(found: Fingerprint) -> tuple[int, ...]:
    """Inode numbers fill 64 bits on some file systems (mergerfs, CIFS); SQLite's have a sign."""
    values = found.device, found.inode, found.size_bytes, found.mtime_ns
    return tuple((value + _HALF) % _RANGE - _HALF for value in values)


def fingerprint(row: Sequence[int]) -> Fingerprint:
    device, inode, size_bytes, mtime_ns = row
    return Fingerprint(
        device % _RANGE,
        inode % _RANGE,
        size_bytes,
        mtime_ns if mtime_ns >= _EARLIEST_NS else mtime_ns + _RANGE,
    )


def result_columns(result: Result) -> tuple[bytes, str, int, int, float]:
    return (
        os.fsencode(result.path),
        result.sha256,
        result.width_px,
        result.height_px,
        result.scale,
    )


def result(row: Sequence[Any]) -> Result:
    return Result(Path(os.fsdecode(row[0])), *row[1:])
