"""Sources are kept, moved or deleted by a thread of their own, each once, and again if need be."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import Eventually
from fakes import FakeClock
from upscaled.job import Arrival, Delivery, Failed, Fingerprint, JobState, Recipe
from upscaled.output.source import fingerprint
from upscaled.service.mailbox import Disposed, Seen
from upscaled.service.sources import Disposer, Sources
from upscaled.store.jobs import Disposal, Store


class Scene:
    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.store = Store.in_memory()
        self.submitted: list[Disposal] = []
        self.sources = Sources(self.store, self.clock, self.submitted.append)
        self.source = folder / "photo.png"
        self.source.write_bytes(b"no image")
        self.delivery = Delivery(
            folder / "out", on_failure="move", failure_folder=folder / "failed"
        )
        found = fingerprint(self.source)
        assert found is not None
        now = self.clock.now()
        self.folder = folder
        self.job_id = self._fail(Arrival(self.source, found), now)

    def fail(self, count: int, *, version: int = 1) -> list[int]:
        """Jobs that have failed; nobody looks at their files."""
        arrivals = [
            Arrival(self.folder / f"{number}.png", Fingerprint(1, 2, 3, version))
            for number in range(count)
        ]
        return [self._fail(arrival, self.clock.now()) for arrival in arrivals]

    def _fail(self, arrival: Arrival, now: float) -> int:
        self.store.admit("photos", self.folder, [arrival], Recipe("m"), self.delivery, now=now)
        (ready,) = self.store.ready(["photos"], now)
        order = self.store.claim(ready, "me", now)
        assert order is not None
        assert self.store.record(order.job_id, Failed("no image"), now) is JobState.FAILED
        return order.job_id


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.store.close()


def test_a_source_is_submitted_once_until_it_is_answered(scene: Scene) -> None:
    scene.sources.settle()
    scene.sources.settle()

    assert [pending.job_id for pending in scene.submitted] == [scene.job_id]
    assert scene.sources.is_busy
    scene.sources.hear(Disposed(scene.job_id, "moved"))
    assert not scene.sources.is_busy
    scene.sources.settle()
    assert len(scene.submitted) == 1


def test_what_failed_is_tried_again_in_a_minute_and_told_meanwhile(scene: Scene) -> None:
    scene.sources.settle()
    scene.sources.hear(Disposed(scene.job_id, None, "cannot move it"))

    scene.sources.settle()
    assert len(scene.submitted) == 1
    assert scene.sources.trouble == "cannot move it"
    scene.clock.advance(61.0)
    scene.sources.settle()

    assert len(scene.submitted) == 2
    scene.sources.hear(Disposed(scene.job_id, "moved"))
    assert scene.sources.trouble is None


def test_however_many_are_stuck_what_has_just_ended_goes_at_once_and_each_is_tried_again(
    scene: Scene,
) -> None:
    stuck = [scene.job_id, *scene.fail(1_500)]
    tried: list[int] = []
    for _ in range(2):
        scene.sources.settle()
        while scene.submitted:
            tried.append(scene.submitted[0].job_id)
            scene.sources.hear(Disposed(scene.submitted.pop(0).job_id, None, "the disk is full"))
            scene.sources.settle()
        scene.clock.advance(61.0)
    scene.sources.settle()
    waiting = len(scene.submitted)
    (young,) = scene.fail(1, version=2)
    scene.sources.hear(Disposed(scene.submitted.pop(0).job_id, None, "the disk is full"))
    scene.sources.offer(young)

    assert tried == 2 * stuck
    assert waiting <= 200
    assert scene.submitted[-1].job_id == young
    assert scene.sources.trouble == "the disk is full (and 1500 more)"


def test_what_was_queued_again_by_hand_is_no_trouble_any_more(scene: Scene) -> None:
    scene.sources.settle()
    scene.sources.hear(Disposed(scene.job_id, None, "cannot move it"))
    scene.store.retry([scene.job_id], scene.clock.now())
    scene.clock.advance(61.0)
    scene.sources.settle()

    assert scene.sources.trouble is None


def test_what_could_not_be_offered_for_want_of_room_is_found_by_the_next_round(
    scene: Scene,
) -> None:
    scene.fail(199)
    scene.sources.settle()
    assert len(scene.submitted) == 200
    (late,) = scene.fail(1, version=2)
    scene.sources.offer(late)
    assert len(scene.submitted) == 200

    for pending in list(scene.submitted):
        scene.sources.hear(Disposed(pending.job_id, "moved"))
    scene.sources.settle()

    assert [pending.job_id for pending in scene.submitted[200:]] == [late]


def test_the_thread_moves_what_it_is_given_and_survives_what_it_cannot_move(
    scene: Scene, tmp_path: Path, eventually: Eventually
) -> None:
    scene.sources.settle()
    (pending,) = scene.submitted
    events: list[Disposed | Seen] = []
    disposer = Disposer("mark", events.append)
    nowhere = tmp_path / "a file"
    nowhere.write_bytes(b"")

    disposer.submit(replace(pending, delivery=replace(scene.delivery, failure_folder=nowhere)))
    disposer.submit(pending)
    eventually(lambda: len(events) == 3)
    heard = [event for event in events if isinstance(event, Disposed)]

    assert heard[0].trouble is not None
    assert heard[0].trouble.startswith(f"cannot move or delete {scene.source}")
    assert heard[1] == Disposed(pending.job_id, f"moved to {tmp_path / 'failed' / 'photo.png'}")
    (seen,) = set(events) - set(heard)
    assert isinstance(seen, Seen)
    assert seen.folder == tmp_path / "failed"
    assert disposer.is_alive
    disposer.stop(5.0)
    assert not disposer.is_alive


def test_what_is_not_begun_when_it_stops_is_left_to_the_next_start(
    scene: Scene, eventually: Eventually
) -> None:
    scene.sources.settle()
    (pending,) = scene.submitted
    going_on = threading.Event()
    heard: list[Disposed] = []

    def slow(disposed: Disposed | Seen) -> None:
        heard.append(disposed)
        going_on.wait(10.0)

    disposer = Disposer("mark", slow)
    disposer.submit(pending)
    disposer.submit(pending)
    eventually(lambda: heard)
    disposer.stop(0.01)
    going_on.set()
    eventually(lambda: not disposer.is_alive)

    assert [type(event) for event in heard] == [Seen, Disposed]
