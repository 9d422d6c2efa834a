"""Real inboxes on real folders."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from upscaled.clock import SystemClock
from upscaled.job import Arrival
from upscaled.watch.inbox import ArrivalBatch, Inbox, InboxSpec

SETTLE_S = 0.15


class Watched:
    """A started inbox, and what it delivered."""

    def __init__(self, spec: InboxSpec) -> None:
        self.arrivals: list[Arrival] = []
        self.batches: list[ArrivalBatch] = []
        self._lock = threading.Lock()
        self.root = spec.root
        self.inbox = Inbox(spec, self._deliver, SystemClock())

    def _deliver(self, batch: ArrivalBatch) -> None:
        with self._lock:
            self.batches.append(batch)
            self.arrivals += batch.arrivals

    def names(self) -> list[str]:
        """Paths below the root, sorted."""
        with self._lock:
            return sorted(str(each.path.relative_to(self.root)) for each in self.arrivals)

    def oddities(self) -> dict[str, str | None]:
        with self._lock:
            return {
                str(each.path.relative_to(self.root)): each.reject_reason for each in self.arrivals
            }


Watch = Callable[..., Watched]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "inbox"
    root.mkdir()
    return root


@pytest.fixture
def watch(root: Path, eventually: Callable[..., None]) -> Iterator[Watch]:
    """`watch(**spec)` starts an inbox; it returns after the first scan if there is a root."""
    started: list[Watched] = []

    def start(**changes: Any) -> Watched:
        spec = InboxSpec(**{"root": root, "settle_s": SETTLE_S, **changes})
        watched = Watched(spec)
        started.append(watched)
        present = spec.root.is_dir()
        watched.inbox.start()
        if present:
            eventually(lambda: watched.inbox.view().first_scan_done)
        return watched

    yield start
    for watched in started:
        watched.inbox.stop()
