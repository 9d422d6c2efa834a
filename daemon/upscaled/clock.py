"""Time as a seam: decisions are given a clock, so that tests can move it."""

import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic time for durations, wall time for what people and the database see."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    def now(self) -> float:
        """Seconds since 1970, UTC; may jump."""
        ...


class SystemClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> float:
        return time.time()
