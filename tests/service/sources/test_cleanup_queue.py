"""Which sources are due: each once, and again if need be."""

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import pytest

from support.fakes import FakeClock
from upscaled.cause import Cause
from upscaled.delivery import Delivery
from upscaled.job import Arrival, Fingerprint, JobState
from upscaled.outcomes import Failed, SourceFate
from upscaled.output.source_cleanup import fingerprint
from upscaled.recipe import Recipe
from upscaled.service.events import SourceCleaned
from upscaled.service.sources.cleanup_lanes import Lane, lane_of
from upscaled.service.sources.cleanup_queue import CleanupQueue
from upscaled.store.jobs import SourceCleanup, Store

MOVED = SourceFate(Cause.MOVED, "moved")


class Scene:
    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.store = Store.in_memory()
        self.submitted: list[SourceCleanup] = []
        self.slow: dict[Lane, str] = {}
        self.sources = CleanupQueue(
            self.store, self.clock, self.submitted.append, lambda: MappingProxyType(self.slow)
        )
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

    def fail_elsewhere(self) -> int:
        """One of another inbox, after all others."""
        arrival = Arrival(self.folder / "other" / "a.png", Fingerprint(1, 2, 3, 4))
        return self._fail(arrival, self.clock.now(), "other", self.folder / "other")

    def _fail(
        self, arrival: Arrival, now: float, rule: str = "photos", inbox: Path | None = None
    ) -> int:
        inbox = inbox or self.folder
        self.store.admit(rule, inbox, [arrival], Recipe("m"), self.delivery, now=now)
        (ready,) = self.store.ready([rule], now)
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
    scene.sources.hear(SourceCleaned(scene.job_id, MOVED))
    assert not scene.sources.is_busy
    scene.sources.settle()
    assert len(scene.submitted) == 1


def test_what_failed_is_tried_again_in_a_minute_and_told_meanwhile(scene: Scene) -> None:
    scene.sources.settle()
    scene.sources.hear(SourceCleaned(scene.job_id, None, "cannot move it"))

    scene.sources.settle()
    assert len(scene.submitted) == 1
    assert scene.sources.troubles == ["cannot move it"]
    scene.clock.advance(61.0)
    scene.sources.settle()

    assert len(scene.submitted) == 2
    scene.sources.hear(SourceCleaned(scene.job_id, MOVED))
    assert scene.sources.troubles == []


def test_however_many_are_stuck_what_has_just_ended_goes_at_once_and_each_is_tried_again(
    scene: Scene,
) -> None:
    stuck = [scene.job_id, *scene.fail(1_500)]
    tried: list[int] = []
    for _ in range(2):
        scene.sources.settle()
        while scene.submitted:
            tried.append(scene.submitted[0].job_id)
            scene.sources.hear(
                SourceCleaned(scene.submitted.pop(0).job_id, None, "the disk is full")
            )
            scene.sources.settle()
        scene.clock.advance(61.0)
    scene.sources.settle()
    waiting = len(scene.submitted)
    (young,) = scene.fail(1, version=2)
    scene.sources.hear(SourceCleaned(scene.submitted.pop(0).job_id, None, "the disk is full"))
    scene.sources.offer(young)

    assert tried == 2 * stuck
    assert waiting <= 200
    assert scene.submitted[-1].job_id == young
    assert scene.sources.troubles == ["the disk is full (and 1500 more)"]


def test_what_was_queued_again_by_hand_is_no_trouble_any_more(scene: Scene) -> None:
    scene.sources.settle()
    scene.sources.hear(SourceCleaned(scene.job_id, None, "cannot move it"))
    scene.store.retry([scene.job_id], scene.clock.now())
    scene.clock.advance(61.0)
    scene.sources.settle()

    assert scene.sources.troubles == []


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
        scene.sources.hear(SourceCleaned(pending.job_id, MOVED))
    scene.sources.settle()

    assert [pending.job_id for pending in scene.submitted[200:]] == [late]


def test_nobody_waits_for_an_inbox_that_does_not_answer(scene: Scene) -> None:
    scene.fail(1_500)
    other = scene.fail_elsewhere()
    for _ in range(2):
        scene.sources.settle()
    assert len(scene.submitted) == 200, "it may be busy, and the round waits for it"

    scene.slow[lane_of(scene.submitted[0])] = "/inbox does not answer"
    for _ in range(5):
        scene.sources.settle()

    assert [pending.job_id for pending in scene.submitted[200:]] == [other]
    assert scene.sources.troubles == ["/inbox does not answer"]
