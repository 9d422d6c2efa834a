"""How much memory there is, and where feature maps over the whole picture go."""

from dataclasses import dataclass
from typing import Literal

import torch

from upscaled.engine.device import free_memory_bytes

_KEPT_SHARE = 0.9
"""Of what is free: other programs, and the result, need some too."""

_LEAST_FOR_TILES_BYTES = 32 << 20

Place = Literal["device", "host", "bands"]


@dataclass(frozen=True, slots=True)
class Room:
    """Free memory when a picture is begun."""

    device_bytes: int
    """Of the device itself; for a CPU the same as the host's."""
    host_bytes: int
    budget_bytes: int | None = None
    """What the user's limit leaves; None: no limit.

    It sets the size of tiles. Feature maps, without which the result would not be exact, may
    exceed it as long as the machine has the memory: they only give way to what really is free.
    """

    @classmethod
    def now(cls, device: torch.device, limit_bytes: int | None) -> "Room":
        host = int(free_memory_bytes(torch.device("cpu")) * _KEPT_SHARE)
        on_device = host
        if device.type == "cuda":
            on_device = int(free_memory_bytes(device) * _KEPT_SHARE)
        budget = None if limit_bytes is None else free_memory_bytes(device, limit_bytes)
        return cls(on_device, host, budget)

    def is_over_budget(self, maps_bytes: int) -> bool:
        return self.budget_bytes is not None and maps_bytes > self.budget_bytes

    def tiles_bytes(self, maps_bytes: int, place: Place) -> int:
        """For all tiles at work at the same time."""
        left = self.device_bytes - (maps_bytes if place == "device" else 0)
        if self.budget_bytes is not None:
            left = min(left, self.budget_bytes - maps_bytes)
        return max(_LEAST_FOR_TILES_BYTES, left)


def maps_place(maps_bytes: int, room: Room) -> Place:
    """On the device; else in the host's memory, streamed; else the picture goes in bands."""
    if maps_bytes + _LEAST_FOR_TILES_BYTES <= room.device_bytes:
        return "device"
    if maps_bytes + _LEAST_FOR_TILES_BYTES <= room.host_bytes:
        return "host"
    return "bands"
