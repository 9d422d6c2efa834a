"""Threads that keep, move or delete sources: a mount that does not answer holds up only its own."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from types import MappingProxyType

from upscaled.clock import Clock
from upscaled.job import Fingerprint, JobState, MountIdentity, Order
from upscaled.output.source_cleanup import MountOf, OnMount, dispose, fingerprint
from upscaled.service.events import MountObserved, SourceCleaned, SourceReplaced
from upscaled.store.jobs import SourceCleanup

SLOW_S = 20.0
"""A rename takes no time; a large file takes this long to another disk, or the disk is dead."""

Deliver = Callable[[SourceCleaned | SourceReplaced | MountObserved], None]
Lane = tuple[Path, Path | None]
"""An inbox, and the folder its sources go to: where one hangs, no other waits for it."""


def lane_of(pending: SourceCleanup) -> Lane:
    inbox = pending.source.parents[len(pending.relative.parts)]
    delivery = pending.delivery
    is_done = pending.state is JobState.DONE
    return inbox, delivery.success_folder if is_done else delivery.failure_folder


class CleanupLanes:
    """`submit` and `check_unchanged` are for the main thread, which never waits for them."""

    def __init__(
        self,
        mark: str,
        deliver: Deliver,
        clock: Clock,
        mount_of: MountOf = lambda _: None,
    ) -> None:
        self._mark = mark
        self._clock = clock
        self._mount_of = mount_of
        self._deliver = deliver
        self._lanes: dict[Lane, _Lane] = {}

    @property
    def is_alive(self) -> bool:
        return all(lane.thread.is_alive() for lane in self._lanes.values())

    @property
    def is_busy(self) -> bool:
        return any(lane.is_busy for lane in self._lanes.values())

    @property
    def slow(self) -> Mapping[Lane, str]:
        """Lanes that have been at one source for long, with where and since when."""
        found = {key: lane.trouble for key, lane in self._lanes.items()}
        return MappingProxyType({key: words for key, words in found.items() if words is not None})

    def submit(self, pending: SourceCleanup) -> None:
        """It is answered by `SourceCleaned`."""
        self._lane(lane_of(pending)).take(pending)

    def check_unchanged(self, order: Order) -> None:
        """`Replaced` is delivered if its source is not any more the file that was queued."""
        if order.fingerprint is not None:
            self._lane((order.inbox, None)).take((order.source, order.fingerprint))

    def stop(self, timeout_s: float) -> None:
        """What is not finished by then is finished by the next start."""
        for lane in self._lanes.values():
            lane.end()
        until = self._clock.monotonic() + timeout_s
        for lane in self._lanes.values():
            lane.thread.join(max(until - self._clock.monotonic(), 0.0))

    def _lane(self, key: Lane) -> "_Lane":
        if key not in self._lanes:
            self._lanes[key] = _Lane(key, self._mark, self._deliver, self._clock, self._mount_of)
        return self._lanes[key]


class _Lane:
    def __init__(
        self, key: Lane, mark: str, deliver: Deliver, clock: Clock, mount_of: MountOf
    ) -> None:
        self._inbox, _ = key
        self._mark = mark
        self._deliver = deliver
        self._clock = clock
        self._mount_of = mount_of
        self._since: float | None = None
        self._source = self._at = self._inbox
        self._due: SimpleQueue[SourceCleanup | tuple[Path, Fingerprint] | None] = SimpleQueue()
        # Each has one writer: the supervisor's thread, and this lane's.
        self._taken = self._answered = 0
        self.thread = threading.Thread(target=self._run, name=f"sources:{self._inbox}", daemon=True)
        self.thread.start()

    @property
    def trouble(self) -> str | None:
        since = self._since
        if since is None or (spent_s := self._clock.monotonic() - since) < SLOW_S:
            return None
        return (
            f"{self._at} is slow, or does not answer: "
            f"{self._source} has waited for it for {spent_s:.0f} s"
        )

    @property
    def is_busy(self) -> bool:
        return self._taken != self._answered

    def take(self, due: SourceCleanup | tuple[Path, Fingerprint]) -> None:
        self._taken += 1
        self._due.put(due)

    def end(self) -> None:
        while not self._due.empty():
            self._due.get()
        self._due.put(None)

    def _run(self) -> None:
        while (due := self._due.get()) is not None:
            self._at = self._inbox
            self._source = due.source if isinstance(due, SourceCleanup) else due[0]
            self._since = self._clock.monotonic()
            if isinstance(due, SourceCleanup):
                self._deliver(attempt(due, self._mark, self._ask_mount, self._find))
            elif is_replaced(*due):
                self._deliver(SourceReplaced(self._source))
            self._since = None
            self._answered += 1

    def _ask_mount(self, folder: Path) -> MountIdentity | None:
        # Right before it is touched.
        self._at = folder
        return self._mount_of(folder)

    def _find(self, folder: Path, found: MountIdentity) -> None:
        self._deliver(MountObserved(folder, found))


def is_replaced(source: Path, expected: Fingerprint) -> bool:
    """Whether another file, or other bytes, stand there now."""
    try:
        found = fingerprint(source)
    except OSError:
        return False
    return found is not None and not found.matches(expected)


def attempt(
    pending: SourceCleanup,
    mark: str,
    mount_of: MountOf = lambda _: None,
    found: OnMount = lambda *_: None,
) -> SourceCleaned:
    """Do it; whatever is in the way comes back as trouble."""
    try:
        fate = dispose(
            pending.source,
            pending.relative,
            pending.fingerprint,
            pending.delivery,
            pending.state,
            mark=f"{mark}-{pending.job_id}",
            # A later run finishes what this one began: the store's id alone is in it.
            taken_mark=f"{mark.partition('-')[0]}-{pending.job_id}",
            mount_of=mount_of,
            found=found,
        )
    except Exception as error:  # noqa: BLE001 (one source must not end them all)
        why = error.strerror if isinstance(error, OSError) else None
        trouble = f"cannot move or delete {pending.source}: {why or error}"
        return SourceCleaned(pending.job_id, None, trouble)
    return SourceCleaned(pending.job_id, fate)
