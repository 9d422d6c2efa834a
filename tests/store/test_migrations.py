"""A database that an older version wrote is brought up to date, with all that it knows."""

import sqlite3
from pathlib import Path

import pytest

from support.builders import DELIVERY, INBOX, NOW, RECIPE, arrival
from upscaled.cause import Cause
from upscaled.errors import StoreTooNew
from upscaled.outcomes import Cancelled, Failed, Snoozed, SourceFate
from upscaled.store.jobs import Store
from upscaled.store.views import open_views

NAMES = ["nobody.png", "moved.png", "trashed.png", "deleted.png", "kept.png", "paused.png"]


def of_schema_5(path: Path) -> Path:
    """As version 0.1.0 left it: no codes, all in the wording of reasons and details."""
    store = Store.open(path)
    store.reconsider("rules")
    store.admit("photos", INBOX, [arrival(name) for name in NAMES], RECIPE, DELIVERY, now=NOW)
    ends = [
        Cancelled("no rule takes it: it is gray"),
        *[Failed("damaged")] * 4,
        Snoozed("the disk is full"),
    ]
    fates = [None, "moved to /x/failed/moved.png", "moved to the trash", "deleted", None, None]
    for end, fate in zip(ends, fates, strict=True):
        (ready,) = store.ready(["photos"], NOW)
        order = store.claim(ready, "me", NOW)
        assert order is not None
        store.record(order.job_id, end, NOW)
        if fate is not None:
            store.disposed(order.job_id, NOW, SourceFate(Cause.OTHER, fate))
    store.close()
    with sqlite3.connect(path) as conn:
        for table, column in (
            ("job", "cause"),
            ("history", "cause"),
            ("history", "place"),
            ("pause", "code"),
            ("pause", "hint"),
        ):
            conn.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        conn.execute("DELETE FROM _sqlite_migrations WHERE name = 'causes_are_codes'")
        conn.execute("PRAGMA user_version = 5")
    conn.close()
    return path


def test_what_stood_in_words_stands_in_codes(tmp_path: Path) -> None:
    path = of_schema_5(tmp_path / "upscaled.db")

    store = Store.open(path)

    assert store.moved_away(None) == {
        2: SourceFate(Cause.MOVED, "moved to /x/failed/moved.png", Path("/x/failed/moved.png")),
        3: SourceFate(Cause.TRASHED, "moved to the trash"),
        4: SourceFate(Cause.DELETED, "deleted"),
    }
    assert store.retry(None, NOW) == [5], "the others are not there any more"
    assert store.reconsider("other rules") == 1, "what no rule took is looked at again"
    again = [arrival("nobody.png")]
    assert store.admit("photos", INBOX, again, RECIPE, DELIVERY, now=NOW) == 1
    store.close()
    with open_views(path) as views:
        first, second = views.job(1), views.job(2)
        (pause,) = views.pauses()
    assert first is not None
    assert first.cause == "no-rule"
    assert second is not None
    assert (second.reason, second.cause) == ("damaged", None)
    assert (pause.reason, pause.code, pause.hint) == ("the disk is full", None, None)


def test_the_database_as_it_was_is_kept_beside(tmp_path: Path) -> None:
    path = of_schema_5(tmp_path / "upscaled.db")
    Store.open(path).close()
    with sqlite3.connect(f"{path}.schema-5") as old:
        assert old.execute("SELECT count(*) FROM job").fetchone() == (len(NAMES),)
        assert old.execute("PRAGMA user_version").fetchone() == (5,)
    old.close()


def test_a_version_before_refuses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "upscaled.db"
    Store.open(path).close()
    monkeypatch.setattr("upscaled.store.database.SCHEMA_VERSION", 5)
    with pytest.raises(StoreTooNew):
        Store.open(path)
