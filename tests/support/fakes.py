"""Twins in memory of the seams; each passes the contract that the real one passes."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from upscaled import errors
from upscaled.job import ImageInfo, MountIdentity, Order
from upscaled.outcomes import Done, Duplicate, Interrupted, Result, Vanished
from upscaled.pipeline.protocols import Pixels, Progress
from upscaled.service.status.systemd_notify import Notifier
from upscaled.service.workers.executor import Deliver, Died, Said
from upscaled.worker.messages import (
    Announced,
    Beat,
    Begin,
    Committed,
    DuplicateVerdict,
    Finished,
    FromWorker,
    Identified,
    Progressed,
    Run,
    Stop,
    ToWorker,
)


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
                raise errors.StopRequested
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


class FakeExecutor:
    """An `Executor` without a process: it talks as the worker does, and repeats no pixel.

    `willing`: it takes each job through to the end by itself, as its questions are answered.
    Else it says only what a test tells it to `say`.
    """

    def __init__(self, begin: Begin, deliver: Deliver, *, willing: bool = True) -> None:
        self.begin = begin
        self.sent: list[ToWorker] = []
        self.is_dead = False
        self._deliver = deliver
        self._willing = willing
        self._orders: dict[int, Order] = {}
        self._results: dict[int, Done] = {}
        if willing:
            self.say(Beat(1_000_000))

    @property
    def pid(self) -> int:
        return 4242

    def send(self, message: ToWorker) -> None:
        if self.is_dead:
            return
        self.sent.append(message)
        if self._willing:
            self._obey(message)

    def kill(self) -> None:
        self.die("killed by SIGKILL", -9)

    def say(self, message: FromWorker) -> None:
        self._deliver(Said(self, message))

    def die(self, reason: str, exit_code: int) -> None:
        if not self.is_dead:
            self.is_dead = True
            self._deliver(Died(self, reason, exit_code))

    @property
    def jobs(self) -> list[int]:
        """What it was given, in order."""
        return [message.order.job_id for message in self.sent if isinstance(message, Run)]

    def _obey(self, message: ToWorker) -> None:
        match message:
            case Run(order) if not order.source.exists():
                self.say(Finished(order.job_id, Vanished()))
            case Run(order):
                self._orders[order.job_id] = order
                self.say(Progressed(order.job_id, "decode", 0, 1))
                self.say(Identified(order.job_id, "c" * 64))
            case DuplicateVerdict(job_id, twin) if job_id in self._orders:
                path = self._orders[job_id].delivery.folder / f"{job_id}.png"
                result = twin.result if twin else Result(path, "f" * 64, 8, 8, 4)
                done = Done(replace(result, path=path), "c" * 64)
                self._results[job_id] = replace(done, duplicate_of=twin and twin.job_id)
                self.say(Announced(job_id, self._results[job_id].result))
            case Committed(job_id) if job_id in self._orders:
                del self._orders[job_id]
                self.say(Finished(job_id, self._results.pop(job_id)))
            case Stop():
                for job_id in list(self._orders):
                    del self._orders[job_id]
                    self.say(Finished(job_id, Interrupted()))
                self.die("exit code 0", 0)
            case _:
                pass


class NoLedger:
    """A `Ledger` of no queue: nothing is known, nothing is remembered."""

    def describe(self, job_id: int, image_info: ImageInfo) -> str | None:  # noqa: ARG002 (the seam)
        return None

    def identify(self, job_id: int, content_sha256: str) -> Duplicate | None:  # noqa: ARG002 (the seam)
        return None

    def announce(self, job_id: int, result: Result) -> None:
        pass

    def found(self, folder: Path, mount_identity: MountIdentity) -> None:
        pass
