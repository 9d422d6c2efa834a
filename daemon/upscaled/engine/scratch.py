"""Memory for a tile's features that is kept from tile to tile."""

import threading

import torch
from torch import Tensor

from upscaled.engine.device import Device
from upscaled.engine.tiles import Box


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

    def release(self) -> None:
        """Frees what the calling thread holds."""
        self._flat.clear()
