"""What `status` and its relatives read: a read-only connection, for any process at any time.

Plain sqlite3 and no sqlite_utils: a `status` that answers in a moment must import little.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from upscaled.errors import StoreError

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class RuleCounts:
    waiting: int = 0
    running: int = 0
    done: int = 0
    done_day: int = 0
    failed: int = 0
    cancelled: int = 0


@dataclass(frozen=True, slots=True)
class JobView:
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


@dataclass(frozen=True, slots=True)
class PauseView:
    rule: str
    cause: str
    reason: str
    since: float
    until: float | None


@dataclass(frozen=True, slots=True)
class Overview:
    rules: dict[str, RuleCounts] = field(default_factory=dict)
    running: tuple[JobView, ...] = ()
    delayed: tuple[JobView, ...] = ()
    """Waiting, with a reason: something went wrong before."""
    failed: tuple[JobView, ...] = ()
    recent: tuple[JobView, ...] = ()
    pauses: tuple[PauseView, ...] = ()


_JOB = (
    "SELECT id, rule, state, path, output, attempts, width_px, height_px, reason, hint, notes, "
    "timings, duplicate_of, queued_at, claimed_at, finished_at, not_before FROM job "
)


class Views:
    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def overview(self, now: float, *, most: int = 10) -> Overview:
        return Overview(
            rules=self._counts(now),
            running=self._jobs("WHERE state = 'running' ORDER BY id", ()),
            delayed=self._jobs(
                "WHERE state = 'waiting' AND reason IS NOT NULL ORDER BY id LIMIT ?", (most,)
            ),
            failed=self._jobs(
                "WHERE state = 'failed' ORDER BY finished_at DESC, id DESC LIMIT ?", (most,)
            ),
            recent=self._jobs(
                "WHERE state = 'done' ORDER BY finished_at DESC, id DESC LIMIT ?", (most,)
            ),
            pauses=tuple(
                PauseView(*row)
                for row in self._conn.execute(
                    "SELECT rule, cause, reason, since, until FROM pause ORDER BY rule"
                )
            ),
        )

    def job(self, job_id: int) -> JobView | None:
        found = self._jobs("WHERE id = ?", (_known_range(job_id),))
        return found[0] if found else None

    def history(self, job_id: int) -> tuple[tuple[float, str, str | None], ...]:
        """(when, event, detail), oldest first."""
        return tuple(
            self._conn.execute(
                "SELECT at, event, detail FROM history WHERE job_id = ? ORDER BY id",
                (_known_range(job_id),),
            )
        )

    def _counts(self, now: float) -> dict[str, RuleCounts]:
        counts: dict[str, dict[str, int]] = {}
        for rule, state, number in self._conn.execute(
            "SELECT rule, state, count(*) FROM job GROUP BY state, rule"
        ):
            counts.setdefault(rule, {})[state] = number
        for rule, number in self._conn.execute(
            "SELECT rule, count(*) FROM job WHERE state = 'done' AND finished_at > ? GROUP BY rule",
            (now - _DAY_S,),
        ):
            counts[rule]["done_day"] = number
        return {rule: RuleCounts(**fields) for rule, fields in sorted(counts.items())}

    def _jobs(self, where: str, values: tuple[Any, ...]) -> tuple[JobView, ...]:
        return tuple(_job(row) for row in self._conn.execute(_JOB + where, values))


def _known_range(job_id: int) -> int:
    """What people type may be more than SQLite's 64 bits; there is no job 0."""
    return job_id if 0 < job_id < 1 << 63 else 0


def _job(row: tuple[Any, ...]) -> JobView:
    named = dict(zip(JobView.__dataclass_fields__, row, strict=True))
    named["file"] = Path(os.fsdecode(named["file"]))
    if named["output"] is not None:
        named["output"] = Path(os.fsdecode(named["output"]))
    named["notes"] = tuple(json.loads(named["notes"]))
    named["timings"] = json.loads(named["timings"])
    return JobView(**named)


@contextmanager
def open_views(path: Path) -> Iterator[Views]:
    """Read the database of a daemon that runs, or does not.

    Raises:
        StoreError: there is none, it is damaged, or another version wrote it.
    """
    # quote() would need the name to be UTF-8; only these two characters end a path in a URI.
    quoted = os.fsdecode(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    try:
        with closing(sqlite3.connect(f"file:{quoted}?mode=ro", uri=True, timeout=5)) as conn:
            conn.execute("PRAGMA query_only = ON")
            # All that is read is of one moment, whatever the daemon writes meanwhile.
            conn.execute("BEGIN")
            yield Views(conn)
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"cannot read the job database {path}: {error}",
            hint="upscaled up makes it; upscaled doctor looks closer"
            if not path.exists()
            else "was it written by another version? upscaled --version",
        ) from error
