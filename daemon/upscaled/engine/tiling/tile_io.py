"""Between the picture on the host (8 or 16 bit) and tiles on the device (0 to 1)."""

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from upscaled.engine.device import Device
from upscaled.engine.tiling.tiles import Box, Size

_CONTRAST_SHARE = 16

Pixels = NDArray[np.uint8] | NDArray[np.uint16]


class TileReader:
    """Reads tiles of a picture; the grid is the picture's, divided by `unshuffle`."""

    def __init__(self, pixels: Pixels, device: Device, unshuffle: int = 1) -> None:
        self._pixels = padded_to_multiple(pixels, unshuffle)
        self._full = float(np.iinfo(pixels.dtype).max)
        self._device = device
        self._unshuffle = unshuffle
        height, width, _ = self._pixels.shape
        self.size = Size(height // unshuffle, width // unshuffle)

    def read(self, region: Box) -> Tensor:
        """1 × channels × region, channels last, in fp32."""
        rows, columns = region.scaled(self._unshuffle).slices
        tile = np.ascontiguousarray(self._pixels[rows, columns])
        if not tile.flags.writeable:  # torch has no tensors that are only read
            tile = tile.copy()
        host = torch.from_numpy(tile.view(np.int16) if tile.dtype == np.uint16 else tile)
        if self._device.is_cuda:
            host = host.pin_memory()
        # Of pinned memory only: MPS reads what was released meanwhile (pytorch/pytorch#189690).
        there = host.to(self._device.where, non_blocking=self._device.is_cuda)
        if tile.dtype == np.uint16:
            there = there.to(torch.int32).bitwise_and_(0xFFFF)
        unit = there.to(torch.float32).div_(self._full)
        planes = unit.permute(2, 0, 1).unsqueeze(0)
        if self._unshuffle == 1:
            return planes
        shuffled = functional.pixel_unshuffle(planes, self._unshuffle)
        return shuffled.contiguous(memory_format=torch.channels_last)


class TileWriter:
    """Collects tiles of the result as integers on the host; from several threads."""

    def __init__(self, height: int, width: int, dtype: np.dtype[np.uint8 | np.uint16]) -> None:
        empty: NDArray[Any] = np.empty((height, width, 3), dtype)
        self.pixels: Pixels = empty
        self._ranges: list[tuple[float, float]] = []

    def write(self, core: Box, tile: Tensor) -> None:
        """`tile` is 1 × 3 × core, in 0 to 1; what lies outside the picture is dropped."""
        height, width, _ = self.pixels.shape
        rows = slice(core.top, min(core.bottom, height))
        columns = slice(core.left, min(core.right, width))
        inside = tile[0, :, : rows.stop - core.top, : columns.stop - core.left]
        planes = inside.permute(1, 2, 0).to(torch.float32)
        lowest, highest = (float(value) for value in torch.aminmax(planes))
        self._ranges.append((lowest, highest))
        full = float(np.iinfo(self.pixels.dtype).max)
        whole = planes.clamp(0, 1).mul_(full).round_()
        if self.pixels.dtype == np.uint8:
            self.pixels[rows, columns] = whole.to(torch.uint8).cpu().numpy()
        else:
            self.pixels[rows, columns] = whole.to(torch.int32).cpu().numpy().astype(np.uint16)

    def adopt(self, top: int, part: "TileWriter", first: int, last: int) -> None:
        """Rows `first` to `last` of `part` from row `top` on, and what is known of its values."""
        self.pixels[top : top + last - first] = part.pixels[first:last]
        self._ranges += part._ranges  # noqa: SLF001 - of its own class

    def is_picture_of(self, pixels: Pixels) -> bool:
        """False: not a number somewhere, or one flat colour where `pixels` is not flat.

        What is flat only once it is rounded, all below zero say, counts as such where `pixels` has
        some contrast: a network may make one colour of a picture that is nearly so.
        """
        lows, highs = np.array(self._ranges).T
        if not (np.isfinite(lows).all() and np.isfinite(highs).all()):
            return False
        lowest, highest = float(lows.min()), float(highs.max())
        full = int(np.iinfo(self.pixels.dtype).max)
        if lowest == highest:
            return int(pixels.max()) == int(pixels.min())
        darkest, brightest = (round(min(max(end, 0), 1) * full) for end in (lowest, highest))
        return darkest < brightest or _contrast(pixels) <= full // _CONTRAST_SHARE


def _contrast(pixels: Pixels) -> float:
    """Of all but the darkest and brightest hundredth: a network may remove a speck of dust."""
    some = pixels[:: 1 + pixels.shape[0] // 512, :: 1 + pixels.shape[1] // 512]
    low, high = np.percentile(some, (1, 99))
    return float(high - low)


def padded_to_multiple(pixels: Pixels, multiple: int) -> Pixels:
    """Mirrored at the right and lower edge as the network does it; copied where too small."""
    height, width, _ = pixels.shape
    down, right = -height % multiple, -width % multiple
    if not (down or right):
        return pixels
    rows = _mirrored(height, down)
    columns = _mirrored(width, right)
    return pixels[rows][:, columns]


def _mirrored(length: int, extra: int) -> NDArray[np.intp]:
    mode: Literal["reflect", "edge"] = "reflect" if extra < length else "edge"
    return np.pad(np.arange(length), (0, extra), mode=mode)
