"""What status reads: whole, read-only, at any time."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.builders import DELIVERY, INBOX, NOW, RECIPE, arrival, done, result
from upscaled.cause import Cause
from upscaled.errors import StoreError, StoreTooNew
from upscaled.outcomes import Failed, Interrupted, Retry, Snoozed, SourceFate
from upscaled.store import views
from upscaled.store.jobs import Store
from upscaled.store.version import SCHEMA_VERSION
from upscaled.store.views import HistoryView, Overview, PauseView, RuleCounts, Views, open_views

Queue = Any
DAY_S = 86_400


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state? 100% #1" / "up\udce9.db"


@pytest.fixture
def store(path: Path) -> Any:
    store = Store.open(path)
    yield store
    store.close()


def test_every_state_is_counted_and_listed(queue: Queue, path: Path) -> None:
    queue.drop("sub/caf\udce9.png", "b.png", "c.png", "d.png", "e.png")
    queue.drop("f.png", rule="scans")
    first, second, third, fourth, _fifth = (queue.claim() for _ in range(5))
    store = queue.store
    store.record(first.job_id, done("caf\udce9_4x.png", notes=("one", "two")), NOW)
    store.record(second.job_id, done(), NOW - 2 * DAY_S)
    store.record(third.job_id, Failed("damaged", "look"), NOW)
    store.record(fourth.job_id, Retry("truncated"), NOW)
    with open_views(path) as views:
        seen = views.overview(NOW)
        assert views.job(first.job_id) == seen.recent[0]
        assert [past.event for past in views.history(first.job_id)] == ["claimed", "done"]
    assert seen.rules == {
        "photos": RuleCounts(waiting=1, running=1, done=2, done_day=1, failed=1),
        "scans": RuleCounts(waiting=1),
    }
    assert [job.file.name for job in seen.running] == ["e.png"]
    assert [(job.file.name, job.reason) for job in seen.delayed] == [("d.png", "truncated")]
    assert [(job.reason, job.hint) for job in seen.failed] == [("damaged", "look")]
    newest = seen.recent[0]
    assert newest.file == INBOX / "sub" / "caf\udce9.png"
    assert newest.output == result("caf\udce9_4x.png").path
    assert newest.notes == ("one", "two")
    assert newest.timings["decode_s"] == 0.0


def test_pauses_are_seen_with_their_cause(queue: Queue, path: Path) -> None:
    queue.drop("a.png")
    queue.store.record(queue.claim().job_id, Snoozed("disk full"), NOW)
    queue.store.pause("scans", "holidays", NOW)
    with open_views(path) as views:
        photos, scans = views.overview(NOW).pauses
    assert (photos.rule, photos.cause, photos.reason) == ("photos", "environment", "disk full")
    assert scans == PauseView("scans", "user", "holidays", NOW, None)


def test_what_happened_to_a_job_is_told_with_its_causes(queue: Queue, path: Path) -> None:
    queue.drop("a.png")
    queue.store.record(queue.claim().job_id, Interrupted(), NOW)
    job_id = queue.claim().job_id
    queue.store.record(job_id, Failed("damaged", cause=Cause.UNREADABLE), NOW)
    queue.store.disposed(job_id, NOW, SourceFate(Cause.TRASHED, "thrown away"))
    with open_views(path) as views:
        past = views.history(job_id)
    assert [(each.event, each.cause) for each in past] == [
        ("claimed", None),
        ("interrupted", "interrupted"),
        ("claimed", None),
        ("failed", "unreadable"),
        ("source", "trashed"),
    ]
    assert past[-1] == HistoryView(NOW, "source", "thrown away", "trashed")


def test_no_more_than_asked_for_is_listed_newest_first(queue: Queue, path: Path) -> None:
    queue.drop(*(f"{n}.png" for n in range(6)))
    for n in range(6):
        queue.store.record(queue.claim().job_id, Failed("x"), NOW + n)
    with open_views(path) as views:
        assert [job.file.name for job in views.overview(NOW, most=2).failed] == ["5.png", "4.png"]


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("job_id", [0, -1, 99, 2**63, -(2**70), 10**30])
def test_a_job_that_is_not_there_is_none(path: Path, job_id: int) -> None:
    with open_views(path) as views:
        assert views.job(job_id) is None
        assert views.history(job_id) == ()


@pytest.mark.usefixtures("store")
def test_it_cannot_write(path: Path) -> None:
    with open_views(path) as views, pytest.raises(sqlite3.OperationalError):
        views._conn.execute("DELETE FROM job")


def test_where_no_daemon_ever_ran_there_is_nothing_and_nothing_is_made(tmp_path: Path) -> None:
    path = tmp_path / "state" / "none.db"
    with open_views(path) as views:
        assert views.overview(0.0) == Overview()
        assert views.job(1) is None
    assert not path.parent.exists()


@pytest.mark.parametrize("content", [b"", b"no database\n" * 1000])
def test_a_file_that_is_no_database_of_ours_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(content)
    with pytest.raises(StoreError), open_views(path) as views:
        views.overview(NOW)


def test_one_look_is_one_moment_while_the_daemon_writes(store: Store, path: Path) -> None:
    """Each job is waiting or running or done: never two of these, never none, in one overview."""
    stop = threading.Event()
    sums: list[int] = []
    names = [f"{n}.png" for n in range(20)]
    store.admit("photos", INBOX, map(arrival, names), RECIPE, DELIVERY, now=NOW)
    errors: list[BaseException] = []

    def look() -> None:
        try:
            while not stop.is_set():
                with open_views(path) as views:
                    seen = views.overview(NOW, most=50)
                counts = seen.rules["photos"]
                sums.append(counts.waiting + counts.running + counts.done)
                assert counts.running == len(seen.running)
                assert counts.done == len(seen.recent)
        except BaseException as error:
            errors.append(error)
            raise

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in names:
        (ready,) = store.ready(["photos"], NOW)
        order = store.claim(ready, "me", NOW)
        assert order
        store.record(order.job_id, done(), NOW)
    stop.set()
    for reader in readers:
        reader.join()
    assert not errors
    assert set(sums) == {20}


@pytest.mark.parametrize(
    ("version", "kind", "hint"),
    [(SCHEMA_VERSION + 1, StoreTooNew, "upgrade"), (0, StoreError, "restart the daemon")],
)
def test_a_database_of_another_version_is_told_with_what_to_do(
    version: int, kind: type[StoreError], hint: str, tmp_path: Path
) -> None:
    path = tmp_path / "upscaled.db"
    Store.open(path).close()
    with closing(sqlite3.connect(path)) as conn:
        conn.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(kind) as caught, open_views(path):
        pass
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    "sql",
    [
        f"{views._JOB}{views._RUNNING}",
        f"{views._JOB}{views._WAITING}",
        f"{views._JOB}{views._ENDED}",
        f"{views._JOB}{views._OF_FILE}",
        f"{views._JOB}{views._DELAYED}",
        views._COUNTS,
        views._DONE_SINCE,
    ],
)
def test_every_question_of_the_screens_is_answered_from_an_index(sql: str, store: Store) -> None:
    """With 100,000 jobs a `status` may look at few of them, and sort none but those it shows."""
    values = ["x"] * sql.count("?")
    plan = [row[3] for row in store._session.conn.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert "INDEX" in plan[0], plan
    assert plan[0].startswith("SEARCH") or "COVERING INDEX" in plan[0], plan


def test_the_queue_is_told_in_the_order_in_which_it_is_taken(queue: Queue, store: Store) -> None:
    queue.drop("a.png", "b.png")
    queue.drop("c.png", rule="scans")
    queue.drop("d.png", rule="scans", priority=5)
    running = queue.claim()
    readable = Views(store._session.conn)
    told = readable.queue(["photos", "scans"], most=10)
    assert [job.file.name for job in told] == ["a.png", "d.png", "b.png", "c.png"]
    assert told[0].id == running.job_id
    assert len(readable.queue(["photos", "scans"], most=2)) == 2
    assert [job.rule for job in readable.queue(["scans"], most=10)] == ["scans", "scans"]


def test_the_jobs_of_a_file_are_told_last_first(queue: Queue, store: Store) -> None:
    queue.drop("a.png")
    store.record(queue.claim().job_id, Failed("no image"), NOW)
    queue.drop("a.png", version=2)
    found = Views(store._session.conn).jobs_of(INBOX / "a.png")
    assert [job.state for job in found] == ["waiting", "failed"]
