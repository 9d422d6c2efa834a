"""Memory for a tile's features that is kept from tile to tile."""

import threading

import torch
from torch import Tensor

from upscaled.engine.device import Device
from upscaled.engine.tiling.tiles import Box


class Scratch(threading.local):
    """Each thread has its own. Fresh memory costs more in page faults than a convolution takes."""

    def __init__(self) -> None:
        self._flat: dict[int, Tensor] = {}

    def take(self, place: int, channels: int, box: Box, device: Device) -> Tensor:
        """1 × channels × box, channels last; what `place` held before is lost."""
        size = channels * box.area
        flat = self._flat.get(place)
        if flat is None or flat.numel() < size:
            self._flat.pop(place, None)
            flat = torch.empty(size, dtype=device.dtype, device=device.where)
            self._flat[place] = flat
        shaped = flat[:size].view(1, box.height, box.width, channels)
        return shaped.permute(0, 3, 1, 2)

    def ringed(self, source: Tensor, region: Box, box: Box, inside: Box, device: Device) -> Tensor:
        """`source`, which lies over `region`, over `box`, with zeros where that leaves the image.

        `region` is all of `box` that is `inside` the image. It is held in place 0.
        """
        tensor = self.take(0, source.shape[1], box, device)
        clear_outside(tensor, box, inside)
        rows, columns = region.within(box).slices
        tensor[:, :, rows, columns] = source
        return tensor

    def release(self) -> None:
        """Frees what the calling thread holds."""
        self._flat.clear()


def clear_outside(tensor: Tensor, box: Box, inside: Box) -> None:
    """Zeros where `box`, over which `tensor` lies, leaves the image."""
    valid = box.grown(0, inside).within(box)
    tensor[:, :, : valid.top].zero_()
    tensor[:, :, valid.bottom :].zero_()
    tensor[:, :, :, : valid.left].zero_()
    tensor[:, :, :, valid.right :].zero_()
