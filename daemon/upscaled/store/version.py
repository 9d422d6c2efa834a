"""Versions: of what is stored, and of the SQLite that Python was built with."""

import sqlite3

SCHEMA_VERSION = 6
"""Kept in `PRAGMA user_version`; a database with a larger one is refused."""

_FIXED = ((3, 51, 3), (3, 50, 7), (3, 44, 6))
_BROKEN_SINCE = (3, 7, 0)


def wal_reset_bug(version: tuple[int, int, int] = sqlite3.sqlite_version_info) -> str | None:
    """What is wrong with this version, for `doctor` and `status`; None: nothing.

    Two connections that write or checkpoint at once could damage a database in WAL mode
    (https://sqlite.org/wal.html#walresetbug). Ours has one connection that writes, and readers
    that cannot checkpoint, so it is not met; other programs should not write to it either.
    """
    backported = any(version >= fixed and version[:2] == fixed[:2] for fixed in _FIXED)
    if version < _BROKEN_SINCE or version >= max(_FIXED) or backported:
        return None
    name = ".".join(map(str, version))
    return f"SQLite {name} has the WAL-reset bug: let nothing else write to the job database"


def sqlite_version() -> str:
    return sqlite3.sqlite_version
