"""Colour profiles, made here byte by byte (ICC.1:2022, sections 7, 9.2 and 10)."""

import itertools
import struct

_D50 = (0.9642, 1.0, 0.8249)
# Columns adapted to D50, as Apple's and Adobe's profiles have them.
_DISPLAY_P3 = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))
_ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))


def _fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65_536)) for value in values)


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(*values)


def _text(words: str) -> bytes:
    body = words.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(body), 28) + body


def _packed(kind: bytes, space: bytes, between: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {b"desc": _text("made"), b"cprt": _text("none"), b"wtpt": _xyz(_D50)} | tags
    at = 128 + 4 + 12 * len(tags)
    table, bodies = struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        padded = body + bytes(-len(body) % 4)
        table += name + struct.pack(">II", at + len(bodies), len(body))
        bodies += padded
    header = struct.pack(">I4sI4s4s4s", 128 + len(table) + len(bodies), b"\0" * 4, 0x04300000,
                         kind, space, between)  # fmt: skip
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + _fixed(*_D50)
    return header.ljust(128, b"\0") + table + bodies


def _rgb(columns: tuple[tuple[float, ...], ...], curve: bytes) -> bytes:
    primaries = {name + b"XYZ": _xyz(column) for name, column in zip((b"r", b"g", b"b"), columns)}  # noqa: B905
    curves = {name + b"TRC": curve for name in (b"r", b"g", b"b")}
    return _packed(b"mntr", b"RGB ", b"XYZ ", primaries | curves)


def display_p3() -> bytes:
    curve = b"para\0\0\0\0\0\3\0\0" + _fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    return _rgb(_DISPLAY_P3, curve)


def adobe_rgb() -> bytes:
    return _rgb(_ADOBE_RGB, b"para\0\0\0\0\0\0\0\0" + _fixed(563 / 256))


def gray() -> bytes:
    curve = b"para\0\0\0\0\0\0\0\0" + _fixed(2.2)
    return _packed(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": curve})


def cmyk() -> bytes:
    """A press whose inks mix like nothing real: C, M and Y take Lab axes, K takes lightness."""
    steps = bytes(range(256))
    values = []
    for c, m, y, k in itertools.product((0, 1), repeat=4):
        lightness = 100 * (1 - k) * (1 - 0.25 * (c + m + y) / 3)
        share = 10 * (1 - k)
        values += [round(lightness * 2.55), 128 + share * (m - c), 128 + share * (y - c)]
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    lut += steps * 4 + bytes(values) + steps * 3
    return _packed(b"prtr", b"CMYK", b"Lab ", {b"A2B0": lut, b"A2B1": lut})
