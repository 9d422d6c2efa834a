"""The one connection that writes: opened, brought up to date, and used in transactions."""

import contextlib
import functools
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from upscaled import codec
from upscaled.cause import Cause
from upscaled.errors import StoreError, StoreTooNew, StoreUnavailable
from upscaled.store.schema import SCHEMA_VERSION, Database, migrations

_BUSY_MS = 5000

_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)

Row = tuple[Any, ...]
T = TypeVar("T")
P = ParamSpec("P")
S = TypeVar("S", bound="InSession")


class Repeat(Protocol):
    """Does a call, and does it again where that can help."""

    def __call__(self, method: Callable[[], T]) -> T: ...


class Session:
    """The one connection that writes, shared by all that reads and writes jobs.

    A full disk, a failing one and a damaged file come out as `StoreError`, wherever they are met.
    """

    def __init__(self, database: Database, path: str, repeat: Repeat | None = None) -> None:
        """`repeat` does a whole call, and does it again where the disk is full for a while."""
        self._db = database
        self.conn = database.conn
        self._path = path
        self._repeat = repeat
        self._is_within = False

    def repeated(self, repeat: Repeat) -> "Session":
        """The same connection, whose calls are done by `repeat`."""
        return Session(self._db, self._path, repeat)

    def whole(self, call: Callable[[], T]) -> T:
        """Do `call`, which is one transaction; calls within calls are a part of it."""
        if self._repeat is None or self._is_within:
            return call()
        return self._repeat(lambda: self._within(call))

    def _within(self, call: Callable[[], T]) -> T:
        self._is_within = True
        try:
            return call()
        finally:
            self._is_within = False

    def close(self) -> None:
        self._db.close()

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        with explained(self._path):
            # IMMEDIATE: a read that turns into a write later fails with BUSY_SNAPSHOT at once,
            # whatever the busy timeout is.
            self.conn.execute("BEGIN IMMEDIATE")
            try:
                yield self.conn
                self.conn.execute("COMMIT")
            except BaseException:
                # Some errors have rolled back already; a second time does nothing.
                self.conn.rollback()
                raise

    def rows(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[Row]:
        with explained(self._path):
            return self.conn.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> Row | None:
        return next(iter(self.rows(sql, values)), None)

    def note(
        self,
        job_id: int,
        at: float,
        event: str,
        detail: str | None = None,
        *,
        cause: Cause | None = None,
        place: Path | None = None,
    ) -> None:
        """A line of the job's history; `place`: where its source was moved to."""
        self.conn.execute(
            "INSERT INTO history (job_id, at, event, detail, cause, place) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (job_id, at, event, detail and codec.printable(detail), cause, place and _blob(place)),
        )


class InSession:
    """Part of the store, over the connection that all parts share."""

    def __init__(self, session: Session) -> None:
        self._session = session


def transaction(
    method: Callable[Concatenate[S, P], T],
) -> Callable[Concatenate[S, P], T]:
    """A method that succeeds or fails as a whole, and may so be done again."""

    @functools.wraps(method)
    def whole(self: S, /, *words: P.args, **named: P.kwargs) -> T:
        return self._session.whole(lambda: method(self, *words, **named))

    return whole


def _blob(path: Path) -> bytes:
    return os.fsencode(path)


def connect(path: str) -> Database:
    """The database at `path` (`:memory:` for none), made where there is none.

    Raises:
        StoreTooNew: a newer version wrote it.
        StoreError: it cannot be opened, or is no database.
    """
    with explained(path):
        conn = sqlite3.connect(path, isolation_level=None)
        try:
            return _prepare(conn, path)
        except BaseException:
            conn.close()
            raise


def _prepare(conn: sqlite3.Connection, path: str) -> Database:
    conn.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("PRAGMA synchronous = FULL")
    conn.execute("PRAGMA foreign_keys = ON")
    (version,) = conn.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise StoreTooNew(
            f"the job database {path} has schema {version}, this version knows {SCHEMA_VERSION}",
            hint="upgrade upscaled, or point $XDG_STATE_HOME at another folder",
        )
    if 0 < version < SCHEMA_VERSION:
        _back_up(conn, f"{path}.schema-{version}")
    database = Database(conn, execute_plugins=False)
    migrations.apply(database)
    conn.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    return database


def _back_up(conn: sqlite3.Connection, copy: str) -> None:
    """One copy for each schema: a migration that was cut off does not replace it."""
    whole = Path(copy)
    partial = Path(f"{copy}.part")
    if not whole.exists():
        partial.unlink(missing_ok=True)
        conn.execute("VACUUM INTO ?", (str(partial),))
        partial.rename(whole)


@contextlib.contextmanager
def explained(path: str) -> Iterator[None]:
    """Troubles of disk and file as a `StoreError`; what only a bug can cause stays as it is."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise
    except (sqlite3.DatabaseError, OSError) as error:
        kind = StoreUnavailable if _may_pass(error) else StoreError
        raise kind(
            f"the job database {path} cannot be used: {error}",
            hint=f"check the permissions and the free space of {Path(path).parent}; "
            f"a damaged database can be moved away: mv {path} {path}.damaged",
        ) from error


def _may_pass(error: sqlite3.DatabaseError | OSError) -> bool:
    """Whether the disk is at fault, or somebody who holds the file, and not what it holds."""
    # The lower eight bits are the primary code: https://sqlite.org/rescode.html
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_IOERR)
    return code & 0xFF in _PASSING
