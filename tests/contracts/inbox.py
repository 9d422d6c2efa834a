"""What every inbox keeps: run on the twin and on the real one alike."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from upscaled.job import Arrival
from upscaled.watch.inbox import ArrivalBatch, InboxSpec, InboxView


class AnyInbox(Protocol):
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def rescan(self) -> None: ...
    def resettle(self, path: Path) -> None: ...
    def view(self) -> InboxView: ...


Make = Callable[[InboxSpec, Callable[[ArrivalBatch], None]], AnyInbox]
Drop = Callable[[AnyInbox, Path, bytes], None]
Eventually = Callable[..., None]


class Deliveries:
    """A `deliver` that remembers, and that can be told to fail."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.roots: set[Path] = set()
        self.refusing = threading.Event()
        self.refused = 0

    def __call__(self, batch: ArrivalBatch) -> None:
        assert batch.arrivals
        if self.refusing.is_set():
            self.refused += 1
            raise OSError("no space left for the queue")
        self.roots.add(batch.root)
        self.arrivals += batch.arrivals

    def names(self) -> list[str]:
        return [arrival.path.name for arrival in self.arrivals]


def exercise(make: Make, drop: Drop, root: Path, eventually: Eventually) -> None:
    """Raises AssertionError where the contract of `watch/inbox.py` is broken."""
    got = Deliveries()
    spec = InboxSpec(root, settle_s=0.05, wants=lambda path: path.suffix == ".png")
    inbox = make(spec, got)
    for name in ("early.png", "unwanted.txt"):
        drop(inbox, root / name, b"1")
    assert not inbox.view().alive
    assert not inbox.view().first_scan_done

    inbox.start()
    try:
        _delivers_what_was_there(inbox, got, eventually)
        _delivers_what_comes(inbox, drop, got, eventually, root)
        _delivers_again_on_request(inbox, got, eventually, root)
        _delivers_again_after_a_failure(inbox, drop, got, eventually, root)
    finally:
        inbox.stop()
        inbox.stop()
    assert not inbox.view().alive
    assert got.roots == {root}
    before = list(got.arrivals)
    drop(inbox, root / "after.png", b"1")
    inbox.rescan()
    assert got.arrivals == before


def _delivers_what_was_there(inbox: AnyInbox, got: Deliveries, eventually: Eventually) -> None:
    eventually(lambda: got.names() == ["early.png"])
    view = inbox.view()
    assert (view.alive, view.first_scan_done, view.watched_by) == (True, True, "inotify")
    assert view.reason is None


def _delivers_what_comes(
    inbox: AnyInbox, drop: Drop, got: Deliveries, eventually: Eventually, root: Path
) -> None:
    drop(inbox, root / "late.png", b"1")
    eventually(lambda: got.names() == ["early.png", "late.png"])
    drop(inbox, root / "late.png", b"22")
    eventually(lambda: got.names() == ["early.png", "late.png", "late.png"])
    first, second = got.arrivals[1:]
    assert first.fingerprint != second.fingerprint
    _rescan(inbox, eventually)
    assert got.names() == ["early.png", "late.png", "late.png"]


def _delivers_again_on_request(
    inbox: AnyInbox, got: Deliveries, eventually: Eventually, root: Path
) -> None:
    before = len(got.arrivals)
    inbox.resettle(root / "early.png")
    eventually(lambda: got.names()[before:] == ["early.png"])
    inbox.resettle(root / "no such.png")
    _rescan(inbox, eventually)
    assert len(got.arrivals) == before + 1


def _delivers_again_after_a_failure(
    inbox: AnyInbox, drop: Drop, got: Deliveries, eventually: Eventually, root: Path
) -> None:
    got.refusing.set()
    drop(inbox, root / "refused.png", b"1")
    eventually(lambda: got.refused > 0)
    got.refusing.clear()
    inbox.rescan()
    eventually(lambda: got.names()[-1] == "refused.png")


def _rescan(inbox: AnyInbox, eventually: Eventually) -> None:
    """Returns when a scan that began after the call is over, and nothing is settling."""
    before: Any = inbox.view().last_scan_s
    inbox.rescan()
    if before:
        eventually(lambda: inbox.view().last_scan_s != before)
    eventually(lambda: inbox.view().settling == 0)
