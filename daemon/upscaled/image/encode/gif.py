"""Animated GIF, written one frame after the other, in colours that do not flicker.

A pixel is painted again only where it changed: everything that stands still keeps, to the bit, the
colour that it was given. A palette is kept for as long as it serves the next frame too, and of two
colours that are equally near the one that is shown already stays.
GIF89a: https://www.w3.org/Graphics/GIF/spec-gif89a.txt
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from PIL import GifImagePlugin, Image

from upscaled.image.decode.frames import Frame, Timeline
from upscaled.image.encode.frame_diff import bounds, rgba

_CLEAR = 255
"""The index that stands for no paint; colours have those below it."""
_SAMPLE_PX = 1 << 18
"""As many pixels say well enough which colours a palette needs."""
_NEAR = 12
"""Squared distance of two colours that nobody tells apart: two levels in each channel."""
_CUT_OFF = 1 + np.arange(256)[:, None] % 2
"""Of a level: Pillow looks colours up without their last two bits, 1.5 on average, and would make
everything as much darker."""
_KEEP_BOTH, _TO_BACKGROUND = 1, 2
_MOST_DELAY_CS = 65_535


def write_gif(
    stream: BinaryIO, frames: Iterator[Frame], timeline: Timeline, comment: bytes | None = None
) -> None:
    """All frames; each one is held until the next has come, which says how it has to end."""
    canvas: _Canvas | None = None
    pending: Any = None
    delays = list(delays_cs(timeline.durations_ms))
    for index, frame in enumerate(frames):
        wanted = _binary(rgba(frame.picture, bits=8))
        if canvas is None:
            canvas = _Canvas(*wanted.shape[:2])
            _write_head(stream, wanted.shape[1], wanted.shape[0], timeline.plays)
            _write_comment(stream, comment or b"")
        else:
            # Only clearing makes a pixel transparent again.
            clears = bool((pending[..., 3] & ~wanted[..., 3]).any())
            canvas.write(stream, pending, delays[index - 1], clears=clears)
        pending = wanted
    if canvas is not None:
        canvas.write(stream, pending, delays[-1], clears=False)
    stream.write(b";")


def delays_cs(durations_ms: tuple[float, ...]) -> Iterator[int]:
    """In hundredths of a second; what rounding takes from one frame the next gets back."""
    owed = 0.0
    for duration in durations_ms:
        owed += duration / 10
        delay = min(max(round(owed), 0), _MOST_DELAY_CS)
        owed = 0.0 if delay == _MOST_DELAY_CS else owed - delay
        yield delay


def _write_head(stream: BinaryIO, width_px: int, height_px: int, plays: int) -> None:
    stream.write(b"GIF89a" + struct.pack("<HHBBB", width_px, height_px, 0x70, 0, 0))
    if plays != 1:
        # How often it is repeated after it was played; 0: for ever.
        again = min(max(plays - 1, 0), 65_535)
        stream.write(b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", again) + b"\0")


def _write_comment(stream: BinaryIO, comment: bytes) -> None:
    if comment:
        blocks = (comment[at : at + 255] for at in range(0, len(comment), 255))
        stream.write(b"!\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0")


def _binary(wanted: Any) -> Any:
    """Transparent or not, there is nothing between; what cannot be seen has no colour."""
    solid = wanted[..., 3] >= 128
    wanted = np.where(solid[..., None], wanted, 0)
    wanted[..., 3] = np.where(solid, 255, 0)
    return wanted


@dataclass(slots=True)
class _Palette:
    colours: Any
    """N × 3 of 8 bits, N at most 255; sorted by `_packed` where it is exact."""
    is_exact: bool
    error: float
    """Mean squared distance of the pixels that it was made for."""

    def indices(self, pixels: Any) -> Any:
        """The nearest colour of each of these N × 3."""
        if self.is_exact:
            known = _packed(self.colours)
            found = np.searchsorted(known, _packed(pixels)).clip(max=len(known) - 1)
            if bool((known[found] == _packed(pixels)).all()):
                return found.astype(np.uint8)
        table = Image.new("P", (1, 1))
        # Unused places repeat a colour, so that none is invented.
        filled = np.resize(self.colours, (256, 3))
        lowered = np.maximum(filled.astype(np.int16) - _CUT_OFF, 0).astype(np.uint8)
        table.putpalette(lowered.tobytes())
        row = Image.fromarray(np.ascontiguousarray(pixels[None]))
        found = np.asarray(row.quantize(palette=table, dither=Image.Dither.NONE))[0]
        return (found % len(self.colours)).astype(np.uint8)


def _packed(colours: Any) -> Any:
    parts = colours.astype(np.uint32)
    return (parts[..., 0] << 16) | (parts[..., 1] << 8) | parts[..., 2]


def _distance(one: Any, other: Any) -> Any:
    apart = one.astype(np.int32) - other
    return (apart * apart).sum(axis=-1)


def _fresh(pixels: Any) -> _Palette:
    unique = np.unique(_packed(pixels))
    if len(unique) < _CLEAR + 1:
        colours = np.stack([unique >> 16, unique >> 8 & 255, unique & 255], axis=-1)
        return _Palette(colours.astype(np.uint8), is_exact=True, error=0.0)
    sample = pixels[:: max(len(pixels) // _SAMPLE_PX, 1)]
    image = Image.fromarray(np.ascontiguousarray(sample[None]))
    made = image.quantize(_CLEAR, method=Image.Quantize.MEDIANCUT, kmeans=1)
    flat = np.array(made.getpalette("RGB"), np.uint8).reshape(-1, 3)[:_CLEAR]
    # Pillow cuts the means of its boxes off to whole levels: all would be darker by half of one.
    found = _Palette(flat, is_exact=False, error=0.0).indices(sample)
    counts = np.bincount(found, minlength=len(flat))
    for channel in range(3):
        sums = np.bincount(found, weights=sample[:, channel], minlength=len(flat))
        means = np.rint(sums / np.maximum(counts, 1)).astype(np.uint8)
        flat[:, channel] = np.where(counts > 0, means, flat[:, channel])
    palette = _Palette(flat, is_exact=False, error=0.0)
    palette.error = float(_distance(flat[palette.indices(sample)], sample).mean())
    return palette


class _Canvas:
    """What a viewer shows, and what it was asked to show."""

    def __init__(self, height_px: int, width_px: int) -> None:
        self._wanted = np.zeros((height_px, width_px, 4), np.uint8)
        self._shown = np.zeros((height_px, width_px, 3), np.uint8)
        self._palette: _Palette | None = None

    def write(self, stream: BinaryIO, wanted: Any, delay_cs: int, *, clears: bool) -> None:
        changed = (wanted != self._wanted).any(axis=2) & (wanted[..., 3] > 0)
        indices = np.full(changed.shape, _CLEAR, np.uint8)
        if changed.any():
            paint, found = self._paint(wanted, changed)
            indices[paint] = found
        self._wanted = wanted
        # Clearing takes the frame's own rectangle only: then it has to be the whole.
        box = None if clears else bounds(indices != _CLEAR)
        whole = 0, changed.shape[0], 0, changed.shape[1]
        top, bottom, left, right = whole if clears else box or (0, 1, 0, 1)
        image = Image.fromarray(np.ascontiguousarray(indices[top:bottom, left:right]))
        self._write_frame(stream, image, (left, top), delay_cs, clears=clears)
        if clears:
            self._wanted = np.zeros_like(self._wanted)
            self._shown = np.zeros_like(self._shown)

    def _paint(self, wanted: Any, changed: Any) -> tuple[Any, Any]:
        """Which pixels are painted, and with which of the palette's colours."""
        pixels = wanted[changed][:, :3]
        palette, found = self._best(pixels)
        self._palette = palette
        chosen = palette.colours[found]
        was_there = self._wanted[changed][:, 3] > 0
        slack = 0 if palette.is_exact else _NEAR
        shown_is_near = _distance(self._shown[changed], pixels) <= (
            _distance(chosen, pixels) + slack
        )
        repaint = ~(was_there & shown_is_near)
        paint = changed.copy()
        paint[changed] = repaint
        self._shown[paint] = chosen[repaint]
        return paint, found[repaint]

    def _best(self, pixels: Any) -> tuple[_Palette, Any]:
        """The palette there is where it serves, else one of these pixels' own."""
        if self._palette is not None:
            found = self._palette.indices(pixels)
            error = float(_distance(self._palette.colours[found], pixels).mean())
            limit = 0.0 if self._palette.is_exact else self._palette.error * 1.5 + 1
            if error <= limit:
                return self._palette, found
        fresh = _fresh(pixels)
        return fresh, fresh.indices(pixels)

    def _write_frame(
        self,
        stream: BinaryIO,
        image: Image.Image,
        at: tuple[int, int],
        delay_cs: int,
        *,
        clears: bool,
    ) -> None:
        colours = self._palette.colours if self._palette else np.zeros((1, 3), np.uint8)
        table = np.zeros((256, 3), np.uint8)
        table[: len(colours)] = colours
        image.putpalette(table.tobytes())
        flags = ((_TO_BACKGROUND if clears else _KEEP_BOTH) << 2) | 1
        stream.write(b"!\xf9\x04" + struct.pack("<BHB", flags, delay_cs, _CLEAR) + b"\0")
        stream.writelines(GifImagePlugin.getdata(image, at, include_color_table=True))
