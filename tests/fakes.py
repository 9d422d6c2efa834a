"""Twins in memory of the seams; each passes the contract that the real one passes."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from upscaled.errors import Interrupted
from upscaled.pipeline.stage import Pixels, Progress
from upscaled.service.notify import Notifier


@dataclass
class FakeClock:
    """Time that stands still until a test moves it."""

    monotonic_s: float = 1_000.0
    now_s: float = 1_800_000_000.0
    """2027-01-15 08:00 UTC."""

    def monotonic(self) -> float:
        return self.monotonic_s

    def now(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        """Both clocks go on, as they do while one waits."""
        if seconds < 0:
            raise ValueError(f"monotonic time never goes back: {seconds}")
        self.monotonic_s += seconds
        self.now_s += seconds

    def jump(self, seconds: float) -> None:
        """Only the wall clock moves: somebody set it, or NTP did."""
        self.now_s += seconds


@dataclass
class NearestUpscaler:
    """An `Upscaler` that repeats each pixel, band by band of input rows."""

    scale: int = 4
    band_px: int = 16
    calls: int = field(default=0, init=False)

    def upscale(
        self, pixels: Pixels, *, progress: Progress, cancelled: Callable[[], bool]
    ) -> Pixels:
        self.calls += 1
        height, width, channels = pixels.shape
        result = np.empty((height * self.scale, width * self.scale, channels), pixels.dtype)
        bands = range(0, height, self.band_px)
        for done, top in enumerate(bands, start=1):
            if cancelled():
                raise Interrupted
            band = pixels[top : top + self.band_px]
            wide = band.repeat(self.scale, axis=0).repeat(self.scale, axis=1)
            result[top * self.scale : (top + len(band)) * self.scale] = wide
            progress(done, len(bands))
        return result


@dataclass
class ListNotifier(Notifier):
    """A `Notifier` that remembers each message as its list of assignments."""

    sent: list[list[str]] = field(default_factory=list)
    watchdog_interval_s: float | None = None

    def send(self, *assignments: str) -> None:
        self.sent.append(list(assignments))
