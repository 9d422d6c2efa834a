"""What `status` and its relatives read: a read-only connection, for any process at any time.

Plain sqlite3 and no sqlite_utils, and tuples where there could be dataclasses, which take ten
times as long to define: a `status` that answers in a moment must import little.
"""

import heapq
import itertools
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from upscaled.errors import StoreError, StoreTooNew
from upscaled.store.version import SCHEMA_VERSION

_DAY_S = 86_400.0


class RuleCounts(NamedTuple):
    waiting: int = 0
    running: int = 0
    done: int = 0
    done_day: int = 0
    failed: int = 0
    cancelled: int = 0


class JobView(NamedTuple):
    """A job as people see it; times are seconds since 1970."""

    id: int
    rule: str
    state: str
    file: Path
    output: Path | None
    attempts: int
    width_px: int | None
    height_px: int | None
    reason: str | None
    hint: str | None
    notes: tuple[str, ...]
    timings: dict[str, float]
    duplicate_of: int | None
    queued_at: float
    claimed_at: float | None
    finished_at: float | None
    not_before: float
    priority: int = 0
    figures: Mapping[str, float] = MappingProxyType({})
    cause: str | None = None
    """A code of `upscaled.cause`; None: of a version that kept none, or nothing is wrong."""


class PauseView(NamedTuple):
    rule: str
    cause: str
    reason: str
    since: float
    until: float | None
    code: str | None = None
    """Of `upscaled.cause`, where the rule paused itself."""
    hint: str | None = None


class HistoryView(NamedTuple):
    """Something that happened to a job."""

    at: float
    event: str
    detail: str | None = None
    cause: str | None = None
    """A code of `upscaled.cause`, where the event has one."""


class Overview(NamedTuple):
    rules: Mapping[str, RuleCounts] = MappingProxyType({})
    running: tuple[JobView, ...] = ()
    delayed: tuple[JobView, ...] = ()
    """Waiting for its next try, or to run alone: something went wrong before."""
    failed: tuple[JobView, ...] = ()
    recent: tuple[JobView, ...] = ()
    pauses: tuple[PauseView, ...] = ()


_JOB = (
    "SELECT id, rule, state, path, output, attempts, width_px, height_px, reason, hint, notes, "
    "timings, duplicate_of, queued_at, claimed_at, finished_at, not_before, priority, "
    "figures, cause FROM job "
)
_RUNNING = "WHERE state = 'running' ORDER BY id"
_WAITING = "WHERE state = 'waiting' AND rule = ? AND suspect = ? ORDER BY priority DESC, id LIMIT ?"
_ENDED = "WHERE state = ? AND rule = ? ORDER BY finished_at DESC, id DESC LIMIT ?"
_COUNTS = "SELECT rule, state, count(*) FROM job GROUP BY state, rule"
_DONE_SINCE = "SELECT count(*) FROM job WHERE state = 'done' AND rule = ? AND finished_at > ?"
# What has no time to wait for is next in line, whatever its past, unless it is a suspect.
_DELAYED = (
    "INDEXED BY job_later WHERE state = 'waiting' AND not_before > 0 ORDER BY not_before LIMIT ?"
)
_OF_FILE = "WHERE path = ? ORDER BY id DESC LIMIT ?"


class Views:
    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def overview(self, now: float, *, most: int = 10) -> Overview:
        rules = self._counts(now)
        return Overview(
            rules=rules,
            running=self._jobs(_RUNNING, ()),
            delayed=self._delayed(rules, most),
            failed=self._newest("failed", rules, most),
            recent=self._newest("done", rules, most),
            pauses=self.pauses(),
        )

    def pauses(self) -> tuple[PauseView, ...]:
        rows = self._conn.execute(
            "SELECT rule, cause, reason, since, until, code, hint FROM pause ORDER BY rule"
        )
        return tuple(PauseView(*row) for row in rows)

    def failed(self, rules: Iterable[str], *, most: int) -> tuple[JobView, ...]:
        """Of these rules, the last one first."""
        return self._newest("failed", rules, most)

    def queue(self, rules: Iterable[str], *, most: int) -> tuple[JobView, ...]:
        """What runs, then what waits, in the order in which it is taken from these rules."""
        named = sorted(set(rules))
        running = [job for job in self._jobs(_RUNNING, ()) if job.rule in named]
        # One index look-up for each rule, however long the queue is; suspects go last.
        waiting = [
            job
            for suspect in (0, 1)
            for job in heapq.merge(
                *(self._jobs(_WAITING, (rule, suspect, most)) for rule in named),
                key=lambda job: (-job.priority, job.id),
            )
        ]
        return tuple([*running, *waiting][:most])

    def jobs_of(self, file: Path, *, most: int = 20) -> tuple[JobView, ...]:
        """Of one source, the last one first."""
        return self._jobs(_OF_FILE, (os.fsencode(file), most))

    def counts(self, now: float) -> dict[str, RuleCounts]:
        """Of each rule that ever had a job."""
        return self._counts(now)

    def job(self, job_id: int) -> JobView | None:
        found = self._jobs("WHERE id = ?", (_known_range(job_id),))
        return found[0] if found else None

    def history(self, job_id: int) -> tuple[HistoryView, ...]:
        """Oldest first."""
        rows = self._conn.execute(
            "SELECT at, event, detail, cause FROM history WHERE job_id = ? ORDER BY id",
            (_known_range(job_id),),
        )
        return tuple(HistoryView(*row) for row in rows)

    def _counts(self, now: float) -> dict[str, RuleCounts]:
        counts: dict[str, dict[str, int]] = {}
        for rule, state, number in self._conn.execute(_COUNTS):
            counts.setdefault(rule, {})[state] = number
        for rule, fields in counts.items():
            (fields["done_day"],) = self._conn.execute(_DONE_SINCE, (rule, now - _DAY_S)).fetchone()
        return {rule: RuleCounts(**fields) for rule, fields in sorted(counts.items())}

    def _delayed(self, rules: Iterable[str], most: int) -> tuple[JobView, ...]:
        suspects = (self._jobs(_WAITING, (rule, 1, most)) for rule in sorted(set(rules)))
        found = [*itertools.chain.from_iterable(suspects), *self._jobs(_DELAYED, (most,))]
        told = {job.id: job for job in found if job.reason is not None}
        return tuple(told[job_id] for job_id in sorted(told)[:most])

    def _newest(self, state: str, rules: Iterable[str], most: int) -> tuple[JobView, ...]:
        # By rule: so the index gives them in order, and nobody sorts 100,000 rows.
        found = heapq.merge(
            *(self._jobs(_ENDED, (state, rule, most)) for rule in sorted(set(rules))),
            key=lambda job: (-(job.finished_at or 0), -job.id),
        )
        return tuple(itertools.islice(found, most))

    def _jobs(self, where: str, values: tuple[Any, ...]) -> tuple[JobView, ...]:
        return tuple(_job(row) for row in self._conn.execute(_JOB + where, values))


def _check_version(conn: sqlite3.Connection, path: Path) -> None:
    (version,) = conn.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise StoreTooNew(
            f"the job database {path} has schema {version}, this version knows {SCHEMA_VERSION}",
            hint="upgrade upscaled, or point $XDG_STATE_HOME at another folder",
        )
    if version < SCHEMA_VERSION:
        raise StoreError(
            f"the job database {path} has schema {version}, this version has {SCHEMA_VERSION}",
            hint="restart the daemon, which brings it up to date: "
            "systemctl --user restart upscaled (or: upscaled down; upscaled up)",
        )


def _known_range(job_id: int) -> int:
    """What people type may be more than SQLite's 64 bits; there is no job 0."""
    return job_id if 0 < job_id < 1 << 63 else 0


def _job(row: tuple[Any, ...]) -> JobView:
    named = dict(zip(JobView._fields, row, strict=True))
    named["file"] = Path(os.fsdecode(named["file"]))
    if named["output"] is not None:
        named["output"] = Path(os.fsdecode(named["output"]))
    named["notes"] = tuple(json.loads(named["notes"]))
    named["timings"] = json.loads(named["timings"])
    named["figures"] = json.loads(named["figures"])
    return JobView(**named)


@contextmanager
def open_views(path: Path) -> Iterator[Views]:
    """Read the database of a daemon that runs, or does not; nothing where none ever ran.

    Raises:
        StoreTooNew: a newer version wrote it.
        StoreError: it is damaged, or an older version wrote it.
    """
    if not os.path.lexists(path):
        # It brings sqlite-utils with it, which takes longer than all else that is read.
        from upscaled.store.database import connect  # noqa: PLC0415

        with closing(connect(":memory:").conn) as conn:
            yield Views(conn)
        return
    # quote() would need the name to be UTF-8; only these two characters end a path in a URI.
    quoted = os.fsdecode(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    try:
        with closing(sqlite3.connect(f"file:{quoted}?mode=ro", uri=True, timeout=5)) as conn:
            conn.execute("PRAGMA query_only = ON")
            # All that is read is of one moment, whatever the daemon writes meanwhile.
            conn.execute("BEGIN")
            _check_version(conn, path)
            yield Views(conn)
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"cannot read the job database {path}: {error}",
            hint="upscaled up makes it; upscaled doctor looks closer"
            if not path.exists()
            else "was it written by another version? upscaled --version",
        ) from error
