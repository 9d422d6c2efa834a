"""What was learned of tiles on this machine, and what follows from it. Pure, plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_FIRST_ELEMENTS = {"cpu": 8_400_000, "cuda": 120_000_000, "mps": 60_000_000}
"""Features (numbers, not bytes) of one tile at first: on a CPU 64 × 512 px of a dense block."""

_STEPS = (0.5, 1.0, 2.0)
"""Of the first guess: what is tried, one picture each, before the fastest is kept."""

_FIRST_BYTES_PER_ELEMENT = 2.0
"""Of the dtype's own size: convolutions keep copies too. On CUDA replaced by measurement."""

_REGROWTH = 1.2
"""Of a ceiling, with each picture below it: what was in the way then may be gone. To try once more
whether it is costs one tile in four pictures; never to try could cost speed for ever."""

_SMALL_ELEMENTS = 1_000_000
"""Memory that does not do for less is not lacking because of tiles."""

_NEWEST = 0.3
"""Weight of the newest measurement: a machine that others use too gives noisy ones."""


@dataclass(slots=True)
class Learned:
    """For one (device, architecture, dtype). Sizes are in elements: features of one tile."""

    speeds: dict[int, float] = field(default_factory=dict)
    """Multiplications per second, by the size aimed at."""
    ceiling: int | None = None
    """Tiles of this size ran out of memory."""
    bytes_per_element: float | None = None
    """Memory a tile took, measured; on a CPU there is no telling a tile from all the rest."""
    fp32: bool = False
    """The network gave no picture in the chosen precision: go to fp32 at once."""

    @classmethod
    def parse(cls, plain: object) -> "Learned":
        """From `plain()`; whatever does not fit, from another version say, is forgotten."""
        found = cls()
        if not isinstance(plain, Mapping):
            return found
        speeds = plain.get("speeds")
        if isinstance(speeds, Mapping):
            for size, speed in speeds.items():
                if str(size).isdigit() and isinstance(speed, int | float) and speed > 0:
                    found.speeds[int(size)] = float(speed)
        ceiling, density = plain.get("ceiling"), plain.get("bytes_per_element")
        if isinstance(ceiling, int) and not isinstance(ceiling, bool) and ceiling > 0:
            found.ceiling = ceiling
        if isinstance(density, int | float) and density > 0:
            found.bytes_per_element = float(density)
        found.fp32 = plain.get("fp32") is True
        return found

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "speeds": {str(size): speed for size, speed in self.speeds.items()},
            "ceiling": self.ceiling,
            "bytes_per_element": self.bytes_per_element,
            "fp32": self.fp32,
        }

    def record_speed(self, elements: int, macs_per_s: float) -> None:
        before = self.speeds.get(elements)
        self.speeds[elements] = before + _NEWEST * (macs_per_s - before) if before else macs_per_s

    def record_success(self, aim: int, macs_per_s: float | None) -> None:
        """A picture fitted with tiles of the size aimed at; None: too small to tell a speed."""
        if self._is_capped(aim):
            self.record_fit()
        elif macs_per_s is not None:
            self.record_speed(aim, macs_per_s)

    def record_failure(self, aim: int, elements: int) -> None:
        """A picture was done in the end, but a tile of `elements` did not fit."""
        if not self._is_capped(aim):
            self.speeds.setdefault(aim, 0.0)  # tried: a smaller size may be the fastest
        self.record_out_of_memory(elements)

    def record_lost(self, aim: int, elements: int) -> None:
        """The process has to end over a tile of `elements`; the next one begins with less.

        It may meet the same again and again, so that ends somewhere.
        """
        if elements > _SMALL_ELEMENTS:
            self.record_failure(aim, elements)

    def _is_capped(self, aim: int) -> bool:
        return self.ceiling is not None and aim >= self.ceiling // 2

    def record_fit(self) -> None:
        """A picture fitted with tiles as large as the ceiling lets them be."""
        if self.ceiling is not None:
            self.ceiling = int(self.ceiling * _REGROWTH) + 1

    def record_out_of_memory(self, elements: int) -> None:
        self.ceiling = elements if self.ceiling is None else min(self.ceiling, elements)

    def aim(self, kind: str) -> int:
        """The size to aim at on a device of this `kind`: untried ones first, then the fastest."""
        first = _FIRST_ELEMENTS.get(kind, _FIRST_ELEMENTS["cpu"])
        sizes = [int(first * step) for step in _STEPS]
        sizes.sort(key=lambda size: abs(size - first))
        untried = [size for size in sizes if size not in self.speeds]
        best = untried[0] if untried else max(sizes, key=lambda size: self.speeds[size])
        return best if self.ceiling is None else max(1, min(best, self.ceiling // 2))


class Lessons:
    """What was learned of each (device, architecture, dtype).

    Networks that have these in common share one record: else each would overwrite, with what it
    knew when it was loaded, what the others have learned since.
    """

    def __init__(self, plain: Mapping[str, Any]) -> None:
        """`plain`: what `Learned.plain` gave, by key."""
        self._plain = plain
        self._records: dict[str, Learned] = {}

    def of(self, key: str) -> Learned:
        if key not in self._records:
            self._records[key] = Learned.parse(self._plain.get(key))
        return self._records[key]


def affordable_elements(
    learned: Learned, *, aim: int, free_bytes: int, workers: int, element_bytes: int
) -> int:
    """`aim`, or less where `workers` tiles of it would take more than `free_bytes`."""
    density = learned.bytes_per_element or _FIRST_BYTES_PER_ELEMENT * element_bytes
    return max(1, min(aim, int(free_bytes / workers / density)))


def learned_key(device: str, architecture: str, precision: str) -> str:
    return f"{device}/{architecture}/{precision}"
