"""A database that an older version wrote is brought up to date, with all that it knows."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from support.builders import DELIVERY, INBOX, NOW, RECIPE, arrival
from upscaled.cause import Cause
from upscaled.errors import StoreTooNew
from upscaled.outcomes import SourceFate
from upscaled.store.jobs import Store
from upscaled.store.views import open_views

DUMP = Path(__file__).parents[1] / "data" / "database-0.1.0.sql"
"""The schema of version 0.1.0 as it was, with a recipe to refer to."""


class Old(NamedTuple):
    """A job as version 0.1.0 left it: no codes, all in the wording of reasons and details."""

    name: str
    state: str
    reason: str
    fate: str | None = None
    """What became of its source."""


JOBS = (
    Old("nobody.png", "cancelled", "no rule takes it: it is gray"),
    Old("moved.png", "failed", "damaged", "moved to /x/failed/moved.png"),
    Old("trashed.png", "failed", "damaged", "moved to the trash"),
    Old("deleted.png", "failed", "damaged", "deleted"),
    Old("kept.png", "failed", "damaged"),
    Old("left.png", "failed", "damaged", "changed since; left where it is"),
    Old("gone.png", "failed", "damaged", "already gone"),
    Old("forgotten.png", "cancelled", "forgotten by hand"),
    Old("changed.png", "cancelled", "the source changed"),
    Old("vanished.png", "cancelled", "the source is gone"),
    Old("other.png", "cancelled", "rule scans takes it"),
    Old("in-words.png", "failed", "no rule takes it: so says its reason alone"),
)
_JOB = (
    "INSERT INTO job (id, rule, path, relative, device, inode, size_bytes, mtime_ns, recipe_id, "
    "state, reason, attempts, queued_at, claimed_at, finished_at) "
    "VALUES (?, 'photos', ?, x'2e', 1, 2, 3, 1, 1, ?, ?, 1, ?, ?, ?)"
)
_HISTORY = "INSERT INTO history (job_id, at, event, detail) VALUES (?, ?, ?, ?)"


def of_version_0_1_0(path: Path, jobs: Sequence[Old] = JOBS) -> Path:
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.executescript(DUMP.read_text(encoding="ascii"))
        conn.execute("DELETE FROM history")
        conn.execute("DELETE FROM job")
        conn.execute("INSERT INTO meta VALUES ('rules', 'these')")
        for job_id, job in enumerate(jobs, 1):
            file = os.fsencode(INBOX / job.name)
            conn.execute(_JOB, (job_id, file, job.state, job.reason, NOW, NOW, NOW))
            conn.execute(_HISTORY, (job_id, NOW, "claimed", "attempt 1"))
            conn.execute(_HISTORY, (job_id, NOW, job.state, job.reason))
            if job.fate is not None:
                conn.execute(_HISTORY, (job_id, NOW, "source", job.fate))
        conn.execute(
            "INSERT INTO pause (rule, cause, reason, since, until, tries) "
            "VALUES ('photos', 'environment', 'the disk is full', ?, ?, 1)",
            (NOW, NOW + 5),
        )
    return path


def test_what_stood_in_words_stands_in_codes(tmp_path: Path) -> None:
    path = of_version_0_1_0(tmp_path / "upscaled.db")

    Store.open(path).close()

    with open_views(path) as views:
        found = [views.job(job_id) for job_id in range(1, len(JOBS) + 1)]
        fates = {
            job.file.name: [past.cause for past in views.history(job.id) if past.event == "source"]
            for job in found
            if job is not None
        }
        (pause,) = views.pauses()
    assert {job.file.name: job.cause for job in found if job and job.cause} == {
        "nobody.png": "no-rule",
        "forgotten.png": "by-hand",
        "changed.png": "source-changed",
        "vanished.png": "source-gone",
    }
    assert {name: fate for name, fate in fates.items() if fate} == {
        "moved.png": ["moved"],
        "trashed.png": ["trashed"],
        "deleted.png": ["deleted"],
        "left.png": ["left-alone"],
        "gone.png": ["source-gone"],
    }
    assert (pause.reason, pause.code, pause.hint) == ("the disk is full", None, None)


def test_the_queue_decides_by_the_codes_of_old_jobs(tmp_path: Path) -> None:
    store = Store.open(of_version_0_1_0(tmp_path / "upscaled.db"))

    assert store.moved_away(None) == {
        2: SourceFate(Cause.MOVED, "moved to /x/failed/moved.png", Path("/x/failed/moved.png")),
        3: SourceFate(Cause.TRASHED, "moved to the trash"),
        4: SourceFate(Cause.DELETED, "deleted"),
    }
    assert store.retry([2, 5], NOW) == [5], "the other is not there any more"
    nobody = [arrival("nobody.png")]
    assert store.reconsider("these") == 0
    assert store.admit("photos", INBOX, nobody, RECIPE, DELIVERY, now=NOW) == 0
    assert store.reconsider("others") == 1, "what no rule took is looked at again"
    assert store.admit("photos", INBOX, nobody, RECIPE, DELIVERY, now=NOW) == 1
    store.close()


def test_the_database_as_it_was_is_kept_beside(tmp_path: Path) -> None:
    path = of_version_0_1_0(tmp_path / "upscaled.db")
    Store.open(path).close()
    with closing(sqlite3.connect(f"{path}.schema-5")) as old:
        assert old.execute("SELECT count(*) FROM job").fetchone() == (len(JOBS),)
        assert old.execute("PRAGMA user_version").fetchone() == (5,)
        columns = {row[1] for row in old.execute("PRAGMA table_info(job)")}
    assert "cause" not in columns


def test_a_version_before_refuses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "upscaled.db"
    Store.open(path).close()
    monkeypatch.setattr("upscaled.store.database.SCHEMA_VERSION", 5)
    with pytest.raises(StoreTooNew):
        Store.open(path)
