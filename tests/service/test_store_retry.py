"""A database that cannot be written holds the daemon up; nothing is lost, and it still answers."""

import sqlite3
from concurrent.futures import Future
from contextlib import AbstractContextManager

import pytest

from support.fakes import FakeClock
from upscaled.control.protocol import Request
from upscaled.errors import StoreUnavailable
from upscaled.service.events import ControlRequest, Event, EventQueue, Signalled, SourceCleaned
from upscaled.service.store_retry import StoreRetry
from upscaled.store.database import Session
from upscaled.store.jobs import Store


class Broken:
    """A step of the store that fails for a while."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.learnt: list[str] = []

    def learn(self, key: str) -> str:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("the disk is full")
        self.learnt.append(key)
        return key


class Scene:
    def __init__(self, failures: int, *, goes_on: bool = True) -> None:
        self.clock = FakeClock()
        self.mailbox = EventQueue()
        self.attended: list[Event | None] = []
        self.relieved = 0
        self.goes_on = goes_on
        self.broken = Broken(failures)
        self.patience = StoreRetry(
            self.mailbox,
            self.clock,
            is_urgent=lambda event: isinstance(event, ControlRequest | Signalled),
            attend=self._attend,
            relieved=self._relieved,
        )

    def _attend(self, event: Event | None) -> bool:
        self.attended.append(event)
        self.clock.advance(1.0)
        return self.goes_on

    def _relieved(self) -> None:
        self.relieved += 1

    def learn(self, key: str) -> object:
        return self.patience.call(lambda: self.broken.learn(key))


def test_what_failed_is_done_again_until_it_is_done() -> None:
    scene = Scene(failures=3)
    for _ in range(1 + 2 + 4):
        scene.mailbox.put(Signalled(1))

    assert scene.learn("figure") == "figure"

    assert scene.broken.learnt == ["figure"]
    assert scene.relieved == 1
    assert scene.patience.trouble is None


def test_what_is_told_meanwhile_is_answered_or_kept_in_order() -> None:
    scene = Scene(failures=1)
    events: list[Event] = [
        SourceCleaned(1, None),
        ControlRequest(Request("status", {}), Future()),
        SourceCleaned(2, None),
    ]
    for event in events:
        scene.mailbox.put(event)

    scene.learn("figure")

    assert scene.attended[0] == events[1]
    assert [scene.mailbox.next(0), scene.mailbox.next(0)] == [events[0], events[2]]
    assert scene.mailbox.is_empty


def test_told_to_stop_it_gives_up_once_and_for_all() -> None:
    scene = Scene(failures=99, goes_on=False)
    scene.mailbox.put(Signalled(15))

    with pytest.raises(StoreUnavailable, match="full"):
        scene.learn("figure")
    scene.goes_on = True
    with pytest.raises(StoreUnavailable):
        scene.learn("figure")

    assert len(scene.attended) == 1
    assert scene.patience.trouble is not None


def test_each_call_of_a_store_is_repeated_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(failures=0)
    raw = Store.in_memory()
    patient = scene.patience.with_store(raw)
    real, failures = Session.write, [StoreUnavailable("full"), StoreUnavailable("full")]

    def write(session: Session) -> AbstractContextManager[sqlite3.Connection]:
        if failures:
            raise failures.pop()
        return real(session)

    monkeypatch.setattr(Session, "write", write)
    patient.learn("tile", "64", 1.0)
    assert raw.learned() == {"tile": "64"}
    assert scene.relieved == 1
    failures.append(StoreUnavailable("full"))
    with pytest.raises(StoreUnavailable):
        raw.learn("tile", "128", 2.0)
    assert patient.store_id == raw.store_id
    raw.close()
