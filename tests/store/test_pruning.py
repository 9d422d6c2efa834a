"""What is long over is forgotten in small steps, and nothing else is."""

import time
from pathlib import Path
from typing import Any

import pytest

from support.builders import DELIVERY, INBOX, NOW, RECIPE, arrival, done
from upscaled.job import JobState
from upscaled.outcomes import Failed, Vanished
from upscaled.service.upkeep.pruner import PAGE
from upscaled.store.jobs import Store

Queue = Any
LATER = NOW + 100.0


def end(queue: Queue, outcome: Any, *, settled: bool = True) -> int:
    order = queue.claim()
    queue.store.record(order.job_id, outcome, NOW)
    if settled:
        queue.store.disposed(order.job_id, NOW)
    return int(order.job_id)


def test_only_what_ended_before_and_has_nothing_pending_is_offered(queue: Queue) -> None:
    queue.drop(*"abcdef")
    over = [end(queue, done()), end(queue, Failed("bad")), end(queue, Vanished())]
    end(queue, done(), settled=False)
    queue.claim()

    page = queue.store.page(0, LATER, most=100)

    assert [past.job_id for past in page.past] == over
    assert [past.is_known for past in page.past] == [True, True, False]
    assert page.past[0].source == INBOX / "a"
    assert page.past[0].fingerprint == arrival("a").fingerprint
    assert page.last_id is None
    assert queue.store.page(0, NOW, most=100).past == ()


def test_pages_cover_the_table_whatever_is_forgotten_between_them(queue: Queue) -> None:
    queue.drop(*(f"{n}.png" for n in range(25)))
    over = [end(queue, done()) for _ in range(20)]
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        page = queue.store.page(after, LATER, most=7)
        ids = [past.job_id for past in page.past]
        seen += ids
        queue.store.prune(ids, [])
        after = page.last_id
    assert seen == over
    assert queue.store._session.conn.execute("SELECT count(*) FROM job").fetchone() == (5,)
    assert queue.store._session.conn.execute("SELECT DISTINCT job_id FROM history").fetchall() == []


def test_what_was_queued_again_meanwhile_stays(queue: Queue) -> None:
    queue.drop("a.png")
    job_id = end(queue, Failed("bad"))
    queue.store.retry([job_id], NOW)
    assert queue.store.prune([job_id], [job_id]) == 0
    assert queue.column(job_id, "state") == JobState.WAITING
    assert queue.events(job_id)


def test_a_file_that_is_still_there_stays_known_without_its_story(queue: Queue) -> None:
    queue.drop("a.png")
    job_id = end(queue, done())
    queue.store.prune([], [job_id])
    assert queue.events(job_id) == []
    assert queue.drop("a.png") == 0


def test_a_file_whose_job_was_forgotten_is_new(queue: Queue) -> None:
    queue.drop("a.png")
    queue.store.prune([end(queue, done())], [])
    assert queue.drop("a.png") == 1


def test_a_duplicate_of_a_forgotten_job_stands_alone(queue: Queue) -> None:
    queue.drop("a.png", "b.png")
    first = end(queue, done())
    order = queue.claim()
    queue.store._session.conn.execute(
        "UPDATE job SET duplicate_of = ? WHERE id = ?", (first, order.job_id)
    )
    queue.store.prune([first], [])
    assert queue.column(order.job_id, "duplicate_of") is None


@pytest.mark.parametrize("count", [2_000, pytest.param(100_000, marks=pytest.mark.soak)])
def test_however_many_old_jobs_are_forgotten_some_milliseconds_at_a_time(
    tmp_path: Path, count: int
) -> None:
    store = Store.open(tmp_path / "upscaled.db")
    try:
        arrivals = map(arrival, map(str, range(count)))
        store.admit("photos", INBOX, arrivals, RECIPE, DELIVERY, now=NOW)
        store._session.conn.execute("UPDATE job SET state = 'cancelled', finished_at = queued_at")
        store._session.conn.execute(
            "INSERT INTO history (job_id, at, event) SELECT id, 0, 'claimed' FROM job"
        )
        store._session.conn.execute("UPDATE job SET duplicate_of = id - 1 WHERE id % 2 = 0")
        took_s = []
        after: int | None = 0
        while after is not None:
            began = time.thread_time()
            page = store.page(after, LATER, most=PAGE)
            store.prune([past.job_id for past in page.past], [])
            took_s.append(time.thread_time() - began)
            after = page.last_id
        left = store._session.conn.execute("SELECT count(*) FROM job").fetchone()
    finally:
        store.close()
    assert left == (0,)
    assert len(took_s) >= count // PAGE
    # CPU time, and the median: others are at work too.
    assert sorted(took_s)[len(took_s) // 2] < 0.02
