"""What the supervisor's one thread is told by all the others."""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from upscaled.control.protocol import Request
from upscaled.job import MountIdentity
from upscaled.outcomes import SourceFate
from upscaled.service.workers.executor import Died, Said
from upscaled.watch.spec import ArrivalBatch


@dataclass(frozen=True, slots=True)
class ControlRequest:
    request: Request
    reply: Future[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Signalled:
    number: int


@dataclass(frozen=True, slots=True)
class SourceCleaned:
    """A source was kept, moved or deleted, or could not be."""

    job_id: int
    fate: SourceFate | None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class SourceReplaced:
    """A source is another file, or has other bytes, since its job began."""

    source: Path


@dataclass(frozen=True, slots=True)
class MountObserved:
    """What a folder lies on."""

    folder: Path
    mount_identity: MountIdentity


@dataclass(frozen=True, slots=True)
class ThreadCrashed:
    """A thread of the daemon ended by an exception."""

    thread: str
    reason: str


@dataclass(frozen=True, slots=True)
class PruneScanned:
    """Which files of jobs that ended long ago are gone, and which still lie where they lay."""

    gone: tuple[int, ...]
    there: tuple[int, ...]


Event = (
    Said
    | Died
    | ArrivalBatch
    | ControlRequest
    | Signalled
    | SourceCleaned
    | SourceReplaced
    | MountObserved
    | ThreadCrashed
    | PruneScanned
)


class EventQueue:
    """Events in the order in which they came. `put` is for any thread, the rest for one."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Event] = SimpleQueue()
        self._deferred: deque[Event] = deque()

    def put(self, event: Event) -> None:
        self._queue.put(event)

    def defer(self, event: Event) -> None:
        """Not now: it goes before all that was not looked at yet."""
        self._deferred.append(event)

    def next(self, timeout_s: float | None) -> Event | None:
        """The oldest; None where none comes in time. A timeout of None waits for ever."""
        return self._deferred.popleft() if self._deferred else self.newest(timeout_s)

    def newest(self, timeout_s: float | None) -> Event | None:
        """As `next`, past those that were deferred."""
        try:
            return self._queue.get(timeout=timeout_s)
        except Empty:
            return None

    @property
    def is_empty(self) -> bool:
        return not self._deferred and self._queue.empty()


_CAUGHT = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def caught(deliver: Callable[[Signalled], None]) -> Iterator[None]:
    """While this lasts, the signals that ask for an end or a reload are delivered.

    SIGHUP asks for a reload, but for one case: the terminal that it was started in is closed.
    Then nobody looks any more, and it is as good as SIGTERM.
    """
    had_terminal = _has_terminal()

    def handle(number: int, _frame: object) -> None:
        closed = number == signal.SIGHUP and had_terminal and not _has_terminal()
        deliver(Signalled(signal.SIGTERM if closed else number))

    before = [signal.signal(number, handle) for number in _CAUGHT]
    try:
        yield
    finally:
        for number, handler in zip(_CAUGHT, before, strict=True):
            signal.signal(number, handler)


def _has_terminal() -> bool:
    # After a hang-up the descriptor is open still, and answers no more.
    return os.isatty(0)
