"""Sources are kept, moved or deleted by threads: one that hangs holds up its own inbox alone."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conftest import Eventually
from support.builders import RECIPE
from support.fakes import FakeClock
from upscaled.cause import Cause
from upscaled.delivery import Delivery
from upscaled.job import JobState, Order
from upscaled.outcomes import SourceFate
from upscaled.output.source_cleanup import fingerprint
from upscaled.service.events import MountObserved, SourceCleaned, SourceReplaced
from upscaled.service.sources import cleanup_lanes as lanes
from upscaled.service.sources.cleanup_lanes import SLOW_S, CleanupLanes
from upscaled.store.jobs import SourceCleanup

Heard = list[SourceCleaned | SourceReplaced | MountObserved]


@pytest.fixture
def pending(tmp_path: Path) -> SourceCleanup:
    return make(tmp_path, "in")


def make(folder: Path, inbox: str, job_id: int = 1) -> SourceCleanup:
    source = folder / inbox / "photo.png"
    source.parent.mkdir()
    source.write_bytes(b"no image")
    found = fingerprint(source)
    assert found is not None
    delivery = Delivery(folder / "out", on_failure="move", failure_folder=folder / "failed" / inbox)
    return SourceCleanup(job_id, JobState.FAILED, source, Path(), found, delivery)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Until it is set, the disk of the first job's inbox hangs."""
    event = threading.Event()
    real = lanes.attempt

    def hangs(due: SourceCleanup, *words: Any) -> SourceCleaned:
        if due.job_id == 1:
            event.wait(30.0)
        return real(due, *words)

    monkeypatch.setattr(lanes, "attempt", hangs)
    return event


@pytest.fixture
def make_disposer(clock: FakeClock) -> Iterator[Callable[..., CleanupLanes]]:
    made: list[CleanupLanes] = []

    def start(
        deliver: Callable[[SourceCleaned | SourceReplaced | MountObserved], None],
    ) -> CleanupLanes:
        made.append(CleanupLanes("mark", deliver, clock))
        return made[-1]

    yield start
    for disposer in made:
        disposer.stop(10.0)


def ends(heard: Heard) -> list[SourceCleaned]:
    return [event for event in heard if isinstance(event, SourceCleaned)]


def test_a_lane_moves_what_it_is_given_and_survives_what_it_cannot_move(
    pending: SourceCleanup,
    tmp_path: Path,
    make_disposer: Callable[..., CleanupLanes],
    eventually: Eventually,
) -> None:
    heard: Heard = []
    disposer = make_disposer(heard.append)
    nowhere = tmp_path / "a file"
    nowhere.write_bytes(b"")

    disposer.submit(replace(pending, delivery=replace(pending.delivery, failure_folder=nowhere)))
    eventually(lambda: ends(heard))
    disposer.submit(pending)
    eventually(lambda: len(ends(heard)) == 2)

    first, second = ends(heard)
    assert first.trouble is not None
    assert first.trouble.startswith(f"cannot move or delete {pending.source}")
    failed = tmp_path / "failed" / "in"
    place = failed / "photo.png"
    moved = SourceFate(Cause.MOVED, f"moved to {place}", place)
    assert second == SourceCleaned(pending.job_id, moved)
    (seen,) = [event for event in heard if isinstance(event, MountObserved)]
    assert seen.folder == failed
    assert disposer.is_alive
    disposer.stop(5.0)
    assert not disposer.is_alive


def test_what_is_not_begun_when_it_stops_is_left_to_the_next_start(
    pending: SourceCleanup, make_disposer: Callable[..., CleanupLanes], eventually: Eventually
) -> None:
    going_on = threading.Event()
    heard: Heard = []

    def slow(event: SourceCleaned | SourceReplaced | MountObserved) -> None:
        heard.append(event)
        going_on.wait(10.0)

    disposer = make_disposer(slow)
    disposer.submit(pending)
    disposer.submit(pending)
    eventually(lambda: heard)
    disposer.stop(0.01)
    going_on.set()
    eventually(lambda: not disposer.is_alive)

    assert [type(event) for event in heard] == [MountObserved, SourceCleaned]


def test_an_inbox_that_does_not_answer_holds_up_no_other_and_is_named(
    tmp_path: Path,
    clock: FakeClock,
    answering: threading.Event,
    make_disposer: Callable[..., CleanupLanes],
    eventually: Eventually,
) -> None:
    pending = make(tmp_path, "in")
    heard: Heard = []
    disposer = make_disposer(heard.append)
    other = make(tmp_path, "other", job_id=2)
    disposer.submit(pending)
    disposer.submit(other)

    eventually(lambda: ends(heard))
    assert [event.job_id for event in ends(heard)] == [2]
    assert not disposer.slow
    clock.advance(SLOW_S)
    ((lane, words),) = disposer.slow.items()
    inbox = tmp_path / "in"
    assert lane == (inbox, tmp_path / "failed" / "in")
    assert words.startswith(f"{inbox} is slow, or does not answer: {pending.source} has waited")
    assert disposer.is_busy
    answering.set()
    eventually(lambda: len(ends(heard)) == 2)
    eventually(lambda: not disposer.is_busy)
    assert not disposer.slow


@pytest.mark.parametrize("change", ["none", "new bytes", "gone"])
def test_a_source_with_new_bytes_is_noticed(
    pending: SourceCleanup,
    change: str,
    make_disposer: Callable[..., CleanupLanes],
    eventually: Eventually,
) -> None:
    heard: Heard = []
    disposer = make_disposer(heard.append)
    if change == "new bytes":
        pending.source.write_bytes(b"another image")
    elif change == "gone":
        pending.source.unlink()
    order = Order(1, "r", pending.source, Path(), pending.fingerprint, RECIPE, pending.delivery)

    disposer.check_unchanged(order)
    eventually(lambda: not disposer.is_busy)

    assert heard == ([SourceReplaced(pending.source)] if change == "new bytes" else [])
