"""SQLite's own fault is named, and a database is copied before its schema changes."""

import sqlite3
from pathlib import Path

import pytest

from upscaled.store import database
from upscaled.store.jobs import Store
from upscaled.store.version import wal_reset_bug


@pytest.mark.parametrize(
    "version", [(3, 7, 0), (3, 40, 1), (3, 44, 5), (3, 45, 1), (3, 50, 6), (3, 51, 2)]
)
def test_a_version_with_the_bug_is_named(version: tuple[int, int, int]) -> None:
    found = wal_reset_bug(version)

    assert found is not None
    assert ".".join(map(str, version)) in found


@pytest.mark.parametrize(
    "version", [(3, 6, 9), (3, 44, 6), (3, 50, 7), (3, 51, 3), (3, 52, 0), (4, 0, 0)]
)
def test_a_version_without_it_is_fine(version: tuple[int, int, int]) -> None:
    assert wal_reset_bug(version) is None


def test_a_database_is_copied_before_its_schema_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "upscaled.db"
    store = Store.open(path)
    store.learn("figure", "1", 0.0)
    store.close()
    assert list(tmp_path.glob("*.schema-*")) == []

    monkeypatch.setattr(database, "SCHEMA_VERSION", database.SCHEMA_VERSION + 1)
    Store.open(path).close()

    (copy,) = tmp_path.glob("*.schema-*")
    with sqlite3.connect(copy) as conn:
        assert conn.execute("SELECT value FROM learned").fetchall() == [("1",)]
    conn.close()
