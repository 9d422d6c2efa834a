"""What `upscaled run` made, so that a second run goes on where the first one ended.

A database of its own: no daemon waits for it, and it may be deleted at any time.
"""

import os
import sqlite3
import threading
from pathlib import Path
from typing import Self

from upscaled.store.database import explained

_BUSY_S = 10.0
_TABLE = """
CREATE TABLE IF NOT EXISTS result (
    key TEXT PRIMARY KEY, path BLOB NOT NULL, sha256 TEXT NOT NULL
) WITHOUT ROWID
"""


class Results:
    """Used by several threads, and by several processes at once."""

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._path = path
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Raises: StoreError, OSError: it cannot be made or used."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with explained(str(path)):
            connection = sqlite3.connect(
                path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
            try:
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute(_TABLE)
            except BaseException:
                connection.close()
                raise
        return cls(connection, str(path))

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def find(self, key: str) -> tuple[Path, str] | None:
        """Where the result was put, and the SHA-256 of its bytes."""
        with self._lock, explained(self._path):
            row = self._connection.execute(
                "SELECT path, sha256 FROM result WHERE key = ?", (key,)
            ).fetchone()
        return None if row is None else (Path(os.fsdecode(row[0])), row[1])

    def keep(self, key: str, path: Path, sha256: str) -> None:
        with self._lock, explained(self._path):
            self._connection.execute(
                "INSERT OR REPLACE INTO result VALUES (?, ?, ?)", (key, os.fsencode(path), sha256)
            )
