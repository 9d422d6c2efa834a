"""What a daemon that was killed left running, and sources that were still to be touched."""

from pathlib import Path
from typing import Any

import pytest

from support.builders import DELIVERY, NOW, done, result
from upscaled.cause import Cause
from upscaled.job import JobState
from upscaled.outcomes import Failed, SourceFate
from upscaled.store import retry
from upscaled.store.jobs import SourceCleanup

Queue = Any


FATE = SourceFate(Cause.MOVED, "moved to /x/caf\udce9.png", Path("/x/caf\udce9.png"))


def test_only_running_jobs_of_other_owners_are_orphans(queue: Queue) -> None:
    queue.drop("a.png", "b.png")
    order = queue.claim()
    assert queue.store.orphans("me") == ()
    (orphan,) = queue.store.orphans("the next daemon")
    assert (orphan.job_id, orphan.source, orphan.result) == (order.job_id, order.source, None)


def test_an_orphan_whose_output_stands_is_done(queue: Queue) -> None:
    queue.drop("a.png")
    order = queue.claim()
    queue.store.identify(order.job_id, "c" * 64)
    queue.store.publishing(order.job_id, result())
    (orphan,) = queue.store.orphans("next")
    assert orphan.result == result()
    assert queue.store.adopt(orphan, NOW, published=True) is JobState.DONE
    assert queue.column(order.job_id, "output") == b"/outbox/a_4x.png"
    assert [d.job_id for d in queue.store.disposals()] == [order.job_id]
    assert queue.store.orphans("next") == ()


@pytest.mark.parametrize("told", [True, False])
def test_an_orphan_without_an_output_runs_again_alone_with_its_attempt_counted(
    queue: Queue, told: bool
) -> None:
    queue.drop("a.png")
    order = queue.claim()
    if told:
        queue.store.publishing(order.job_id, result())
    (orphan,) = queue.store.orphans("next")
    assert queue.store.adopt(orphan, NOW, published=False) is JobState.WAITING
    assert queue.claim(suspect=True).attempt == 2
    assert queue.column(order.job_id, "output") is None


def test_a_file_that_stands_but_was_never_announced_proves_nothing(queue: Queue) -> None:
    queue.drop("a.png")
    queue.claim()
    (orphan,) = queue.store.orphans("next")
    assert queue.store.adopt(orphan, NOW, published=True) is JobState.WAITING


def test_a_job_that_takes_the_daemon_with_it_each_time_fails_in_the_end(queue: Queue) -> None:
    queue.drop("a.png")
    states = []
    for turn in range(retry.MAX_RECOVERIES):
        queue.claim(suspect=turn > 0)
        (orphan,) = queue.store.orphans("next")
        states.append(queue.store.adopt(orphan, NOW, published=False))
    assert states == [JobState.WAITING] * (retry.MAX_RECOVERIES - 1) + [JobState.FAILED]
    assert queue.column(1, "reason") == "the daemon died 10 times while this ran alone"


def test_a_source_is_pending_until_it_was_dealt_with(queue: Queue) -> None:
    queue.drop("sub/a.png", "b.png")
    good, bad = queue.claim(), queue.claim()
    queue.store.record(good.job_id, done(), NOW)
    queue.store.record(bad.job_id, Failed("damaged"), NOW)
    first, second = queue.store.disposals()
    assert first == SourceCleanup(
        good.job_id, JobState.DONE, good.source, Path("sub"), good.fingerprint, DELIVERY
    )
    assert (second.job_id, second.state) == (bad.job_id, JobState.FAILED)
    queue.store.disposed(good.job_id, NOW, FATE)
    queue.store.disposed(bad.job_id, NOW)
    assert queue.store.disposals() == ()
    assert queue.events(good.job_id) == ["claimed", "done", "source"]
    assert queue.events(bad.job_id) == ["claimed", "failed"]
