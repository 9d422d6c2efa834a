"""Opening the database, and what people ask for by hand."""

import random
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.builders import DELIVERY, INBOX, NOW, RECIPE, arrival, done
from upscaled.cause import Cause
from upscaled.errors import StoreError, StoreTooNew
from upscaled.outcomes import Cancelled, Failed, Retry, Snoozed, SourceFate
from upscaled.store.jobs import Store
from upscaled.store.schema import SCHEMA_VERSION
from upscaled.store.views import open_views

Queue = Any


# By hand


def test_a_paused_rule_starts_nothing_until_it_is_resumed(queue: Queue) -> None:
    queue.drop("a.png")
    queue.drop("b.png", rule="scans")
    queue.store.pause("photos", "holidays", NOW)
    assert queue.names(NOW, "photos", "scans") == ["b.png"]
    assert queue.names(NOW + 1e9, "photos") == []
    assert queue.store.resume("photos")
    assert not queue.store.resume("photos")
    assert queue.names() == ["a.png"]
    assert not queue.store.ready(["photos"], NOW)[0].probe


def test_pausing_all_and_resuming_all(queue: Queue) -> None:
    queue.drop("a.png")
    queue.store.pause("", "all", NOW)
    queue.store.pause("photos", "this one", NOW)
    assert queue.names() == []
    assert queue.store.resume("")
    assert queue.names() == ["a.png"]


def test_a_pause_by_hand_outlives_the_environment(queue: Queue) -> None:
    queue.drop("a.png", "b.png")
    first, second = queue.claim(), queue.claim()
    queue.store.pause("photos", "holidays", NOW)
    queue.store.record(first.job_id, Snoozed("disk full"), NOW)
    queue.store.record(second.job_id, done(), NOW)
    assert queue.names(NOW + 1e9) == []
    assert queue.store.next_wake(NOW + 500) is None


def test_a_pause_of_the_environment_can_be_ended_or_made_firm_by_hand(queue: Queue) -> None:
    queue.drop("a.png", "b.png")
    queue.store.record(queue.claim().job_id, Snoozed("disk full"), NOW)
    assert queue.store.resume("photos")
    assert queue.names() == ["a.png"], "what waited for its next try is tried now"
    queue.store.record(queue.claim().job_id, Snoozed("disk full"), NOW)
    queue.store.pause("photos", "until I come back", NOW)
    assert queue.names(NOW + 1e9) == []


def test_a_pause_made_firm_by_hand_is_about_the_environment_no_more(tmp_path: Path) -> None:
    path = tmp_path / "upscaled.db"
    store = Store.open(path)
    store.admit("photos", INBOX, [arrival("a.png")], RECIPE, DELIVERY, now=NOW)
    order = store.claim(store.ready(["photos"], NOW)[0], "me", NOW)
    assert order is not None
    snoozed = Snoozed("disk full", hint="make room", cause=Cause.DISK_FULL)
    store.record(order.job_id, snoozed, NOW)
    with open_views(path) as views:
        (pause,) = views.pauses()
    assert (pause.cause, pause.code, pause.hint) == ("environment", "disk-full", "make room")
    store.pause("photos", "holidays", NOW)
    store.close()
    with open_views(path) as views:
        (pause,) = views.pauses()
    assert (pause.cause, pause.reason) == ("user", "holidays")
    assert (pause.code, pause.hint) == (None, None)


def test_retry_brings_back_what_failed_with_its_counts_at_zero(queue: Queue) -> None:
    queue.drop("a.png", "b.png", "c.png")
    jobs = [queue.claim() for _ in range(3)]
    queue.store.record(jobs[0].job_id, Failed("x", "y"), NOW)
    queue.store.record(jobs[1].job_id, Cancelled("x"), NOW)
    queue.store.record(jobs[2].job_id, done(), NOW)
    assert queue.store.retry([99, 10**30, -1, *(job.job_id for job in jobs)], NOW) == [1, 2]
    assert queue.claim().attempt == 1
    assert queue.column(jobs[0].job_id, "reason") is None
    assert queue.store.disposals()[0].job_id == jobs[2].job_id


def test_retry_of_all_means_all_that_failed(queue: Queue) -> None:
    queue.drop("a.png", "b.png")
    first, second = queue.claim(), queue.claim()
    queue.store.record(first.job_id, Failed("x"), NOW)
    queue.store.record(second.job_id, Cancelled("x"), NOW)
    assert queue.store.retry(None, NOW) == [first.job_id]
    assert queue.names() == ["a.png"]


def test_retry_leaves_a_file_alone_that_is_queued_anew(queue: Queue) -> None:
    queue.drop("a.png", version=1)
    old = queue.claim()
    queue.store.record(old.job_id, Failed("x"), NOW)
    queue.drop("a.png", version=2)
    assert queue.store.retry([old.job_id], NOW) == []
    assert queue.column(old.job_id, "state") == "failed"


@pytest.mark.parametrize(
    "fate",
    [
        SourceFate(Cause.MOVED, "put aside", Path("/x/failed/a\udce9.png")),
        SourceFate(Cause.TRASHED, "thrown away"),
        SourceFate(Cause.DELETED, "gone"),
    ],
)
@pytest.mark.parametrize("everything", [True, False])
def test_what_its_rule_has_moved_away_stays_failed(
    fate: SourceFate,
    everything: bool,
    queue: Queue,
) -> None:
    queue.drop("a.png", "b.png")
    moved, kept = queue.claim(), queue.claim()
    for job in (moved, kept):
        queue.store.record(job.job_id, Failed("x"), NOW)
    queue.store.disposed(moved.job_id, NOW, fate)
    queue.store.disposed(kept.job_id, NOW, SourceFate(Cause.LEFT_ALONE, "moved to nowhere"))
    wanted = None if everything else [99, moved.job_id, kept.job_id]
    assert queue.store.moved_away(wanted) == {moved.job_id: fate}
    assert queue.store.retry(wanted, NOW) == [kept.job_id]
    assert queue.column(moved.job_id, "state") == "failed"
    # Where it was put back it is queued anew, under a new job.
    assert queue.drop("a.png") == 1


def test_each_method_is_done_by_whoever_repeats_it(store: Store) -> None:
    """One that is not would end the daemon where the disk is full."""
    repeated = store.repeated(lambda _: "repeated")
    names = {name for name in dir(repeated) if not name.startswith("_")}
    names -= {"store_id", "open", "in_memory", "repeated", "close"}
    assert {"admit", "claim", "record", "adopt", "retry", "queue", "prune", "learned"} <= names
    for name in names:
        assert getattr(repeated, name)() == "repeated", name


def test_figures_are_remembered_and_replaced(store: Store) -> None:
    store.learn("tile", "64", NOW)
    store.learn("tile", "128", NOW + 1)
    assert store.learned() == {"tile": "128"}


# The schema alone keeps the states right

BAD = [
    "state = 'asleep'",
    "state = 'running'",  # without an owner
    "owner = 'me'",  # without running
    "state = 'done', finished_at = 1",  # without an output
    "state = 'done', output = x'2f', output_sha256 = 'f'",  # without its time
    "state = 'failed', finished_at = 1",  # without a reason
    "finished_at = 1",
    "source_pending = 1",
    "attempts = -1",
    "path = NULL",
    "path = 'text'",
    "suspect = 2",
    "recipe_id = 99",
    "cause = ''",
    "cause = 'no rule takes it: it is gray'",
]


@pytest.mark.parametrize("change", BAD)
def test_the_schema_refuses_a_state_that_makes_no_sense(queue: Queue, change: str) -> None:
    queue.drop("a.png")
    with pytest.raises(sqlite3.IntegrityError):
        queue.store._session.conn.execute(f"UPDATE job SET {change}")  # noqa: S608 (literals above)


def test_the_schema_refuses_words_where_a_code_belongs(store: Store) -> None:
    words = SourceFate("moved to /x", "moved to /x")  # type: ignore[arg-type]  # what it refuses
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        store.disposed(1, NOW, words)
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        store._session.conn.execute(
            "INSERT INTO pause (rule, cause, reason, code, since) "
            "VALUES ('photos', 'environment', 'disk full', 'disk full', 1)"
        )


def test_the_schema_refuses_a_second_live_job_for_one_file(queue: Queue) -> None:
    queue.drop("a.png")
    columns = "rule, path, relative, device, inode, size_bytes, mtime_ns, recipe_id, queued_at"
    copy = f"INSERT INTO job ({columns}) SELECT {columns} FROM job"  # noqa: S608 (the line above)
    with pytest.raises(sqlite3.IntegrityError):
        queue.store._session.conn.execute(copy)


# Opening


def test_what_was_queued_is_there_after_closing_and_opening(tmp_path: Path) -> None:
    from support.builders import DELIVERY, INBOX, RECIPE, arrival  # noqa: PLC0415 (only here)

    path = tmp_path / "new" / "folder" / "upscaled.db"
    first = Store.open(path)
    first.admit("photos", INBOX, [arrival()], RECIPE, DELIVERY, now=NOW)
    first.close()
    second = Store.open(path)
    assert len(second.ready(["photos"], NOW)) == 1
    assert second.store_id == first.store_id
    assert len(first.store_id) == 8
    second.close()


def test_two_connections_may_be_open_at_once(tmp_path: Path) -> None:
    first, second = Store.open(tmp_path / "x.db"), Store.open(tmp_path / "x.db")
    first.learn("a", "1", NOW)
    second.learn("b", "2", NOW)
    assert first.learned() == second.learned() == {"a": "1", "b": "2"}
    first.close()
    second.close()


def test_a_database_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    Store.open(path).close()
    conn = sqlite3.connect(path)
    conn.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    conn.close()
    before = path.read_bytes()
    with pytest.raises(StoreTooNew) as caught:
        Store.open(path)
    assert "upgrade" in caught.value.hint
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_told_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"no database\n" * 1000)
    with pytest.raises(StoreError) as caught:
        Store.open(path)
    assert f"mv {path} {path}.damaged" in caught.value.hint
    assert path.read_bytes() == b"no database\n" * 1000


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as caught:
        Store.open(tmp_path / "file" / "x.db")
    assert "permissions" in caught.value.hint


def test_damage_that_is_met_later_is_told_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    store = Store.open(path)
    store.close()
    size = path.stat().st_size
    with path.open("r+b") as stream:
        stream.seek(4096)
        stream.write(random.Random(1).randbytes(size - 4096))  # noqa: S311
    with pytest.raises(StoreError) as caught:
        store = Store.open(path)
    assert "mv " in caught.value.hint


@pytest.mark.parametrize("statement", ["BEGIN", "COMMIT", "INSERT"])
def test_a_full_disk_is_told_and_the_store_goes_on_after_it(queue: Queue, statement: str) -> None:
    """A trigger cannot fail a commit, a wrapped connection can."""
    queue.drop("a.png")
    order = queue.claim()
    real = queue.store._session.conn

    class Full:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def execute(self, sql: str, *values: Any) -> Any:
            if sql.startswith(statement):
                raise sqlite3.OperationalError("database or disk is full")
            return real.execute(sql, *values)

    queue.store._session.conn = Full()
    with pytest.raises(StoreError, match="disk is full"):
        queue.store.record(order.job_id, Retry("x"), NOW)
    queue.store._session.conn = real
    assert queue.column(order.job_id, "state") == "running"
    queue.store.record(order.job_id, done(), NOW)


def test_a_killed_writer_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from support.builders import *
from upscaled.store.jobs import Store
store = Store.open(Path(sys.argv[1]))
store.admit("photos", INBOX, [arrival()], RECIPE, DELIVERY, now=NOW)
with store._session.write() as conn:
    conn.execute("DELETE FROM job")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    here = Path(__file__).parents[1]
    command = [sys.executable, "-c", program, str(tmp_path / "x.db")]
    ran = subprocess.run(command, env={"PYTHONPATH": str(here)}, timeout=60, check=False)
    assert ran.returncode == -9
    store = Store.open(tmp_path / "x.db")
    assert len(store.ready(["photos"], NOW)) == 1
    store.close()


def test_what_is_forgotten_neither_waits_nor_failed_and_is_not_taken_again(
    queue: Queue, store: Store
) -> None:
    queue.drop("a.png", "b.png", "c.png")
    failed = queue.claim()
    store.record(failed.job_id, Failed("no image"), NOW)
    running = queue.claim()
    assert store.forget([failed.job_id, running.job_id, 3, 99, 1 << 70], NOW) == [1, 3]
    assert [queue.column(n, "state") for n in (1, 2, 3)] == ["cancelled", "running", "cancelled"]
    assert queue.drop("a.png", "c.png") == 0
    assert queue.events(3)[-1] == "forgotten by hand"
    assert store.retry([3], NOW) == [3]
    assert queue.names() == ["c.png"]


def test_all_that_failed_can_be_forgotten_and_nothing_else(queue: Queue, store: Store) -> None:
    queue.drop("a.png", "b.png")
    store.record(queue.claim().job_id, Failed("no image"), NOW)
    assert store.forget(None, NOW) == [1]
    assert queue.names() == ["b.png"]


def test_bumped_jobs_go_first_in_the_order_named(queue: Queue, store: Store) -> None:
    queue.drop("a.png", "b.png", "c.png", "d.png", priority=3)
    assert store.bump([4, 2, 77], NOW) == [4, 2]
    assert [queue.claim().source.name for _ in range(4)] == ["d.png", "b.png", "a.png", "c.png"]


def test_what_no_rule_took_is_new_once_the_rules_are_others(queue: Queue, store: Store) -> None:
    store.reconsider("rules")
    queue.drop("a.png", "b.png")
    store.record(queue.claim().job_id, Cancelled("it is gray", Cause.NO_RULE), NOW)
    store.record(queue.claim().job_id, Cancelled("no rule takes it: not so", Cause.OTHER_RULE), NOW)
    assert store.reconsider("rules") == 0
    assert queue.drop("a.png", "b.png") == 0
    assert store.reconsider("others") == 1
    assert queue.drop("a.png", "b.png") == 1
    assert queue.names() == ["a.png"]
