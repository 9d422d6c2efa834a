"""What decoding untrusted bytes may cost; past that the worker ends, which is a death of the job.

Code in C that loops for ever, or takes all memory, cannot be stopped from within its process. Where
it keeps the interpreter's lock too, no beat is sent, and the supervisor ends the worker.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from upscaled.codec import printable
from upscaled.image.decode.decode import Expect
from upscaled.job import Order

LEAST_S = 60.0
"""For any file: hundreds of times what a photograph takes on an idle machine."""
_S_FOR_MB = 0.5
_S_FOR_MP = 1.0
"""The slowest decoder here (JPEG 2000) takes some 0.2 s for a megapixel on one core."""
LEAST_BYTES = 2_000_000_000
"""For any file: threads, their stacks, and libraries that are loaded on first use."""
_BYTES_FOR_BYTE = 20
_BYTES_FOR_PX = 160
"""Four floats of 64 bits for each pixel, five times over; most decoders take 4 to 20 bytes."""
LOOK_EVERY_S = 0.25


def longest_s(size_bytes: int, frame_px: int) -> float:
    """For the next frame of so many pixels, in a file of so many bytes."""
    return LEAST_S + size_bytes / 1e6 * _S_FOR_MB + frame_px / 1e6 * _S_FOR_MP


def most_bytes(size_bytes: int, frame_px: int) -> int:
    """That the whole process may grow by meanwhile."""
    return LEAST_BYTES + size_bytes * _BYTES_FOR_BYTE + frame_px * _BYTES_FOR_PX


@dataclass(slots=True)
class _Watch:
    name: str
    size_bytes: int
    since: float
    at_first_bytes: int
    frame_px: int = 0


class DecodeGuard:
    """A `Guard` whose `look` calls `end` with the reason, once a limit is passed."""

    def __init__(
        self,
        end: Callable[[str], None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        resident_bytes: Callable[[], int] | None = None,
    ) -> None:
        self._end = end
        self._monotonic = monotonic
        self._resident_bytes = resident_bytes or _own_resident_bytes
        self._lock = threading.Lock()
        self._watches: list[_Watch] = []
        self._neighbours = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._mind, name="guard", daemon=True)

    @contextmanager
    def over(self, order: Order, size_bytes: int) -> Iterator[Expect]:
        """Enforces time and memory limits while decoding; the timer restarts for each frame."""
        name = printable(order.source.name)
        watch = _Watch(name, size_bytes, self._monotonic(), self._resident_bytes())

        def expect(frame_px: int) -> None:
            with self._lock:
                watch.since, watch.frame_px = self._monotonic(), frame_px

        with self._lock:
            self._watches.append(watch)
        try:
            yield expect
        finally:
            with self._lock:
                self._watches.remove(watch)

    @contextmanager
    def beside(self) -> Iterator[None]:
        """While other work takes memory: growth is nobody's in particular then."""
        with self._lock:
            self._neighbours += 1
        try:
            yield
        finally:
            with self._lock:
                self._neighbours -= 1
                for watch in self._watches:
                    watch.at_first_bytes = self._resident_bytes()

    def start(self) -> None:
        """Look for as long as the process lives."""
        self._thread.start()

    def stop(self) -> None:
        """Nothing is minded any more."""
        self._stopped.set()
        self._thread.join()

    def _mind(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            self.look()

    def look(self) -> None:
        """At the clock and at the process; asked often."""
        with self._lock:
            reasons = [self._trouble_of(watch) for watch in self._watches]
        for reason in filter(None, reasons):
            self._end(reason)

    def _trouble_of(self, watch: _Watch) -> str | None:
        limit_s = longest_s(watch.size_bytes, watch.frame_px)
        if self._monotonic() - watch.since > limit_s:
            return f"decoding {watch.name} took longer than {limit_s:.0f} s"
        resident_bytes = self._resident_bytes()
        if self._neighbours:
            watch.at_first_bytes = resident_bytes
        limit_bytes = most_bytes(watch.size_bytes, watch.frame_px)
        if resident_bytes - watch.at_first_bytes > limit_bytes:
            return f"decoding {watch.name} took more than {limit_bytes / 1e9:.1f} GB of memory"
        return None


def _own_resident_bytes() -> int:
    return int(psutil.Process().memory_info().rss)
