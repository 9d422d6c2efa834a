"""A twin of `upscaled.watch.inbox.Inbox` in memory: no thread, no disk, no waiting."""

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from upscaled.clock import Clock, SystemClock
from upscaled.job import Arrival, Fingerprint
from upscaled.watch.inbox import ArrivalBatch, InboxSpec, InboxView

_marks = itertools.count(1)


@dataclass
class ListInbox:
    """Files exist when a test says so, with `drop`, and have settled at once.

    Deliveries are made within the call that causes them, in the caller's thread. Contract:
    `tests/contracts/inbox.py`.
    """

    spec: InboxSpec
    deliver: Callable[[ArrivalBatch], None]
    clock: Clock = field(default_factory=SystemClock)
    missing: str | None = None
    """Set it to a reason and the root is gone."""
    files: dict[Path, Arrival] = field(default_factory=dict, init=False)
    delivered: set[Arrival] = field(default_factory=set, init=False)
    alive: bool = field(default=False, init=False)
    scans: int = field(default=0, init=False)

    def drop(self, path: Path, *, reject_reason: str | None = None) -> Arrival:
        """A file is there, or is there with new bytes. A real one gives its own fingerprint."""
        try:
            status = path.lstat()
        except OSError:
            mark = next(_marks)
            fingerprint = Fingerprint(1, mark, 1, mark)
        else:
            fingerprint = Fingerprint(
                status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
            )
        arrival = self.files[path] = Arrival(path, fingerprint, reject_reason)
        self._hand_on(scanned=False)
        return arrival

    def remove(self, path: Path) -> None:
        self.files.pop(path, None)

    def start(self) -> None:
        self.alive = True
        self.rescan()

    def begin_stop(self) -> None:
        self.alive = False

    def stop(self, timeout_s: float = 0.0) -> None:  # noqa: ARG002 - as the real one
        self.alive = False

    def rescan(self) -> None:
        if self.alive and self.missing is None:
            self.scans += 1
            self._hand_on(scanned=True)

    def resettle(self, path: Path) -> None:
        self.delivered = {arrival for arrival in self.delivered if arrival.path != path}
        arrival = self.files.get(path)
        if arrival is not None:
            self._deliver_all((arrival,), scanned=False)

    def view(self) -> InboxView:
        return InboxView(
            root=self.spec.root,
            watched_by="inotify" if self.missing is None else "missing",
            reason=self.missing,
            files=len(self.files),
            settling=0,
            last_scan_s=0.0 if self.scans else None,
            alive=self.alive,
            beat_monotonic=self.clock.monotonic(),
            first_scan_done=self.scans > 0,
        )

    def _hand_on(self, *, scanned: bool) -> None:
        if self.alive and self.missing is None:
            new = tuple(each for each in self.files.values() if self._is_new(each))
            self._deliver_all(new, scanned=scanned)

    def _is_new(self, arrival: Arrival) -> bool:
        return arrival not in self.delivered and self._is_wanted(arrival.path)

    def _is_wanted(self, path: Path) -> bool:
        relative = path.relative_to(self.spec.root)
        deep = os.sep in str(relative)
        wants = self.spec.wants
        return (self.spec.recursive or not deep) and (wants is None or wants(relative))

    def _deliver_all(self, arrivals: tuple[Arrival, ...], *, scanned: bool) -> None:
        if arrivals:
            try:
                self.deliver(ArrivalBatch(self.spec.root, arrivals, scanned))
            except Exception:  # noqa: BLE001 - as the real one: they come again with the next scan
                return
            self.delivered.update(arrivals)
