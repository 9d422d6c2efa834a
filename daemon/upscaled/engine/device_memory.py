"""How much memory there is, and where feature maps over the whole picture go."""

from dataclasses import dataclass
from typing import Literal

import torch

from upscaled.engine.device import free_memory_bytes

_KEPT_SHARE = 0.9
"""Of what is free: other programs need some too."""

_LEAST_FOR_TILES_BYTES = 32 << 20

Place = Literal["device", "host", "bands"]


@dataclass(frozen=True, slots=True)
class Room:
    """Free memory when a picture is begun."""

    device_bytes: int
    """Of the device itself; for a CPU the same as the host's."""
    host_bytes: int
    is_shared: bool = True
    """The device's memory is the host's."""
    budget_bytes: int | None = None
    """What the user's limit leaves; None: no limit.

    It sets the size of tiles. Feature maps, without which the result would not be exact, may
    exceed it as long as the machine has the memory: they only give way to what really is free.
    """

    @classmethod
    def now(cls, device: torch.device, limit_bytes: int | None, result_bytes: int) -> "Room":
        """Beside the result, which the host has to hold as well."""
        host = int(free_memory_bytes(torch.device("cpu")) * _KEPT_SHARE)
        host = max(0, host - result_bytes)
        budget = None if limit_bytes is None else free_memory_bytes(device, limit_bytes)
        if device.type == "cuda":
            on_device = int(free_memory_bytes(device) * _KEPT_SHARE)
            return cls(on_device, host, is_shared=False, budget_bytes=budget)
        return cls(host, host, budget_bytes=budget and max(0, budget - result_bytes))

    def is_over_budget(self, maps_bytes: int) -> bool:
        return self.budget_bytes is not None and maps_bytes > self.budget_bytes

    def tiles_bytes(self, maps_bytes: int, place: Place) -> int:
        """For all tiles at work at the same time."""
        left = self.device_bytes
        if self.budget_bytes is not None:
            left = min(left, self.budget_bytes)
        if self.is_shared or place == "device":
            left -= maps_bytes
        return max(_LEAST_FOR_TILES_BYTES, left)


def maps_place(maps_bytes: int, room: Room) -> Place:
    """On the device; else in the host's memory, streamed; else the picture goes in bands."""
    if maps_bytes == 0 or maps_bytes + _LEAST_FOR_TILES_BYTES <= room.device_bytes:
        return "device"
    if maps_bytes + _LEAST_FOR_TILES_BYTES <= room.host_bytes:
        return "host"
    return "bands"
