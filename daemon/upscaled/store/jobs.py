"""The queue. Each method is one transaction; only the supervisor's main thread calls it."""

import contextlib
import hashlib
import os
import random
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

from upscaled import plain
from upscaled.errors import StoreError, StoreTooNew
from upscaled.job import (
    Arrival,
    Cancelled,
    Changed,
    Delivery,
    Done,
    Failed,
    Fingerprint,
    Interrupted,
    JobState,
    Order,
    Outcome,
    Recipe,
    Result,
    Retry,
    Snoozed,
    Twin,
    Vanished,
)
from upscaled.store import retry
from upscaled.store.schema import SCHEMA_VERSION, Database, migrations

_BUSY_MS = 5000

_NEXT = """
SELECT job.id, path, relative, device, inode, size_bytes, mtime_ns, attempts + 1, recipe, delivery,
       job.priority
FROM job JOIN recipe ON recipe.id = recipe_id
WHERE state = 'waiting' AND rule = ? AND suspect = ? AND not_before <= ?
ORDER BY job.priority DESC, job.id LIMIT 1
"""

_ADMIT = """
INSERT INTO job (rule, path, relative, device, inode, size_bytes, mtime_ns, recipe_id, priority,
                 queued_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (rule, path) WHERE state IN ('waiting', 'running') DO UPDATE
SET device = excluded.device, inode = excluded.inode, size_bytes = excluded.size_bytes,
    mtime_ns = excluded.mtime_ns, recipe_id = excluded.recipe_id, not_before = 0
WHERE state = 'waiting'
"""

_REFUSE = """
INSERT INTO job (rule, path, relative, device, inode, size_bytes, mtime_ns, recipe_id, state,
                 reason, queued_at, finished_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'failed', ?, ?, ?)
"""

_SET_RESULT = "output = ?, output_sha256 = ?, width_px = ?, height_px = ?, scale = ?"

_PAUSED = "SELECT rule FROM pause WHERE until IS NULL OR until > ?"


@dataclass(frozen=True, slots=True)
class Ready:
    """What a rule has to offer now. Suspects (their worker died) have to run alone."""

    rule: str
    suspect: bool
    priority: int
    job_id: int
    probe: bool = False
    """The rule was paused by its environment: one job at a time finds out if it still is."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """A job that ran when its daemon died, with what it was about to publish."""

    job_id: int
    source: Path
    result: Result | None
    content_sha256: str | None


@dataclass(frozen=True, slots=True)
class Disposal:
    """A finished job whose source still has to be kept, moved or deleted by its rule."""

    job_id: int
    state: JobState
    source: Path
    relative: Path
    fingerprint: Fingerprint
    delivery: Delivery


class Store:
    def __init__(self, database: Database, rng: random.Random | None = None) -> None:
        self._db = database
        self._conn = database.conn
        # Backoff jitter, not cryptography.
        self._rng = rng or random.Random()  # noqa: S311
        self._recipes: dict[str, int] = {}
        (self.store_id,) = self._conn.execute(
            "SELECT value FROM meta WHERE key = 'store_id'"
        ).fetchone()

    @classmethod
    def open(cls, path: Path) -> "Store":
        """Open or make the database, and bring its schema up to date.

        Raises:
            StoreTooNew: a newer version wrote it.
            StoreError: it cannot be opened, or is no database.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return cls(_connect(str(path)))
        except (sqlite3.DatabaseError, OSError) as error:
            raise StoreError(
                f"cannot open the job database {path}: {error}",
                hint=f"check the permissions of {path.parent} and its free space; "
                f"a damaged database can be moved away: mv {path} {path}.damaged",
            ) from error

    @classmethod
    def in_memory(cls) -> "Store":
        return cls(_connect(":memory:"))

    def close(self) -> None:
        self._db.close()

    @contextlib.contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        # IMMEDIATE: a read that turns into a write later fails with BUSY_SNAPSHOT at once,
        # whatever the busy timeout is.
        self._conn.execute("BEGIN IMMEDIATE")
        try:
            yield self._conn
        except BaseException:
            self._conn.rollback()
            raise
        self._conn.execute("COMMIT")

    def _note(self, job_id: int, at: float, event: str, detail: str | None = None) -> None:
        self._conn.execute(
            "INSERT INTO history (job_id, at, event, detail) VALUES (?, ?, ?, ?)",
            (job_id, at, event, detail and plain.printable(detail)),
        )

    # Arrivals

    def is_known(self, rule: str, path: Path, fingerprint: Fingerprint) -> bool:
        """Whether this very file was queued before, in whatever state its job is now."""
        return (
            self._conn.execute(
                "SELECT 1 FROM job WHERE path = ? AND rule = ? AND inode = ? AND size_bytes = ? "
                "AND mtime_ns = ? LIMIT 1",
                (
                    os.fsencode(path),
                    rule,
                    fingerprint.inode,
                    fingerprint.size_bytes,
                    fingerprint.mtime_ns,
                ),
            ).fetchone()
            is not None
        )

    def admit(
        self,
        rule: str,
        root: Path,
        arrivals: Iterable[Arrival],
        recipe: Recipe,
        delivery: Delivery,
        *,
        now: float,
        priority: int = 0,
        again: bool = False,
    ) -> int:
        """Queue what is not known yet; the number of files queued.

        A file that is waiting already takes the new fingerprint; one that is running is left
        to its worker, which sees that its source changed. `again` queues known files too.
        """
        queued = 0
        with self._write() as conn:
            recipe_id = self._recipe_id(recipe, delivery)
            for arrival in arrivals:
                found = arrival.fingerprint
                if not again and self.is_known(rule, arrival.path, found):
                    continue
                key = (
                    rule,
                    os.fsencode(arrival.path),
                    os.fsencode(_relative(arrival.path, root)),
                    found.device,
                    found.inode,
                    found.size_bytes,
                    found.mtime_ns,
                    recipe_id,
                )
                if arrival.oddity is None:
                    queued += conn.execute(_ADMIT, (*key, priority, now)).rowcount
                else:
                    conn.execute(_REFUSE, (*key, plain.printable(arrival.oddity), now, now))
        return queued

    def _recipe_id(self, recipe: Recipe, delivery: Delivery) -> int:
        texts = plain.dumps(recipe), plain.dumps(delivery)
        digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
        if digest not in self._recipes:
            self._conn.execute(
                "INSERT INTO recipe (digest, pixels_digest, recipe, delivery) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (digest) DO NOTHING",
                (digest, recipe.digest(), *texts),
            )
            (recipe_id,) = self._conn.execute(
                "SELECT id FROM recipe WHERE digest = ?", (digest,)
            ).fetchone()
            self._recipes[digest] = recipe_id
        return self._recipes[digest]

    # Running

    def ready(self, rules: Iterable[str], now: float) -> tuple[Ready, ...]:
        """The first job of each of these rules that could be claimed now.

        A few index look-ups for each rule, however long the queue is. Jobs of rules that are
        not named (removed from the configuration) are held.
        """
        paused = {row[0] for row in self._conn.execute(_PAUSED, (now,))}
        if "" in paused:
            return ()
        probes = {row[0] for row in self._conn.execute("SELECT rule FROM pause")} - paused
        found = []
        for rule in rules:
            if rule in paused:
                continue
            for suspect in (False, True):
                row = self._conn.execute(_NEXT, (rule, int(suspect), now)).fetchone()
                if row is not None:
                    found.append(Ready(rule, suspect, row[10], row[0], rule in probes))
        return tuple(found)

    def next_wake(self, now: float) -> float | None:
        """When the next waiting job or paused rule is due, as wall time; None: nothing waits."""
        (due,) = self._conn.execute(
            "SELECT min(t) FROM (SELECT min(not_before) AS t FROM job WHERE state = 'waiting' "
            "AND not_before > :now UNION ALL SELECT min(until) FROM pause WHERE until > :now)",
            {"now": now},
        ).fetchone()
        return None if due is None else float(due)

    def claim(self, ready: Ready, owner: str, now: float) -> Order | None:
        """Take the next job of this rule; its attempt is counted before any work."""
        with self._write() as conn:
            row = conn.execute(_NEXT, (ready.rule, int(ready.suspect), now)).fetchone()
            if row is None:
                return None
            conn.execute(
                "UPDATE job SET state = 'running', owner = ?, attempts = attempts + 1, "
                "claimed_at = ?, content_sha256 = NULL, output = NULL, output_sha256 = NULL "
                "WHERE id = ?",
                (owner, now, row[0]),
            )
            self._note(row[0], now, "claimed", f"attempt {row[7]}")
        return Order(
            job_id=row[0],
            rule=ready.rule,
            source=Path(os.fsdecode(row[1])),
            relative=Path(os.fsdecode(row[2])),
            fingerprint=Fingerprint(*row[3:7]),
            recipe=plain.loads(row[8], Recipe),
            delivery=plain.loads(row[9], Delivery),
            attempt=row[7],
        )

    def identify(self, job_id: int, content_sha256: str) -> Twin | None:
        """Keep what the source's bytes are; an earlier result of the same, if there is one."""
        with self._write() as conn:
            conn.execute(
                "UPDATE job SET content_sha256 = ? WHERE id = ? AND state = 'running'",
                (content_sha256, job_id),
            )
            row = conn.execute(
                "SELECT old.id, old.output, old.output_sha256, old.width_px, old.height_px, "
                "old.scale "
                "FROM job old JOIN recipe r ON r.id = old.recipe_id, "
                "     job new JOIN recipe s ON s.id = new.recipe_id "
                "WHERE new.id = ? AND old.rule = new.rule AND old.content_sha256 = ? "
                "AND old.state = 'done' AND r.pixels_digest = s.pixels_digest "
                "ORDER BY old.id DESC LIMIT 1",
                (job_id, content_sha256),
            ).fetchone()
        if row is None:
            return None
        return Twin(row[0], _result(row[1:]))

    def publishing(self, job_id: int, result: Result) -> None:
        """Keep what is about to get its final name, so that a crash after it is seen as done."""
        with self._write() as conn:
            conn.execute(
                f"UPDATE job SET {_SET_RESULT} WHERE id = ? AND state = 'running'",
                (*_columns(result), job_id),
            )

    def record(self, job_id: int, outcome: Outcome, now: float) -> JobState:
        """End the attempt; the job's new state.

        Raises:
            StoreError: the job is not running.
        """
        with self._write() as conn:
            row = conn.execute(
                "SELECT attempts, rule FROM job WHERE id = ? AND state = 'running'", (job_id,)
            ).fetchone()
            if row is None:
                raise StoreError(f"job {job_id} is not running")
            return self._record(job_id, outcome, now, *row)

    def _record(
        self, job_id: int, outcome: Outcome, now: float, attempts: int, rule: str
    ) -> JobState:
        match outcome:
            case Done():
                self._finish(job_id, outcome, now)
                self._conn.execute(
                    "DELETE FROM pause WHERE rule = ? AND cause = 'environment'", (rule,)
                )
                return JobState.DONE
            case Failed(reason, hint):
                self._fail(job_id, reason, now, hint)
                return JobState.FAILED
            case Retry(reason) if attempts >= retry.MAX_ATTEMPTS:
                self._fail(job_id, f"{reason} (tried {attempts} times)", now)
                return JobState.FAILED
            case Retry(reason):
                delay_s = retry.content_delay_s(attempts, self._rng)
                self._return(job_id, now, reason, not_before=now + delay_s)
            case Snoozed(reason, whole_rule):
                self._snooze(job_id, rule, reason, now, whole_rule=whole_rule)
            case Interrupted():
                self._return(job_id, now, None, give_back=True)
                self._note(job_id, now, "interrupted")
            case Changed() | Vanished():
                why = "the source changed" if isinstance(outcome, Changed) else "the source is gone"
                self._end(job_id, JobState.CANCELLED, why, now)
                return JobState.CANCELLED
            case Cancelled(reason):
                self._end(job_id, JobState.CANCELLED, reason, now)
                return JobState.CANCELLED
            case _:
                assert_never(outcome)
        return JobState.WAITING

    def _finish(self, job_id: int, done: Done, now: float) -> None:
        self._conn.execute(
            f"UPDATE job SET {_SET_RESULT}, state = 'done', owner = NULL, suspect = 0, "
            "finished_at = ?, content_sha256 = ?, "
            "duplicate_of = (SELECT id FROM job WHERE id = ?), notes = ?, timings = ?, "
            "source_pending = 1, reason = NULL, hint = NULL WHERE id = ?",
            (
                *_columns(done.result),
                now,
                done.content_sha256,
                done.duplicate_of,
                plain.dumps([plain.printable(note) for note in done.notes]),
                plain.dumps(done.timings),
                job_id,
            ),
        )
        self._note(job_id, now, "done")

    def _fail(self, job_id: int, reason: str, now: float, hint: str | None = None) -> None:
        self._end(job_id, JobState.FAILED, reason, now, hint)
        self._conn.execute("UPDATE job SET source_pending = 1 WHERE id = ?", (job_id,))

    def _end(
        self, job_id: int, state: JobState, reason: str, now: float, hint: str | None = None
    ) -> None:
        self._conn.execute(
            "UPDATE job SET state = ?, owner = NULL, suspect = 0, finished_at = ?, reason = ?, "
            "hint = ?, output = NULL, output_sha256 = NULL WHERE id = ?",
            (state, now, plain.printable(reason), hint and plain.printable(hint), job_id),
        )
        self._note(job_id, now, state, reason)

    def _return(
        self,
        job_id: int,
        now: float,
        reason: str | None,
        *,
        not_before: float = 0.0,
        give_back: bool = False,
    ) -> None:
        self._conn.execute(
            "UPDATE job SET state = 'waiting', owner = NULL, not_before = ?, reason = ?, "
            "attempts = max(attempts - ?, 0), output = NULL, output_sha256 = NULL WHERE id = ?",
            (not_before, reason and plain.printable(reason), int(give_back), job_id),
        )
        if reason is not None:
            self._note(job_id, now, "waiting", reason)

    def _snooze(self, job_id: int, rule: str, reason: str, now: float, *, whole_rule: bool) -> None:
        tries = self._environment_tries(job_id, rule, whole_rule=whole_rule)
        until = now + retry.environment_delay_s(tries, self._rng)
        if whole_rule:
            self._return(job_id, now, reason, give_back=True)
            self._conn.execute(
                "INSERT INTO pause (rule, cause, reason, since, until, tries) "
                "VALUES (?, 'environment', ?, ?, ?, 1) ON CONFLICT (rule) DO UPDATE "
                "SET reason = excluded.reason, until = excluded.until, tries = tries + 1 "
                "WHERE cause = 'environment'",
                (rule, plain.printable(reason), now, until),
            )
        else:
            self._return(job_id, now, reason, not_before=until, give_back=True)

    def _environment_tries(self, job_id: int, rule: str, *, whole_rule: bool) -> int:
        if whole_rule:
            row = self._conn.execute("SELECT tries FROM pause WHERE rule = ?", (rule,)).fetchone()
            return 0 if row is None else int(row[0])
        (tries,) = self._conn.execute(
            "SELECT count(*) FROM history WHERE job_id = ? AND event = 'waiting'", (job_id,)
        ).fetchone()
        return int(tries)

    def died(self, job_ids: Sequence[int], reason: str, now: float) -> tuple[int, ...]:
        """The worker died with these jobs in flight; those of them that failed as poison.

        A death is blamed on a job only when it was alone; otherwise all of them run again, one
        at a time, and the innocent get their attempt back.
        """
        alone = len(job_ids) == 1
        failed = []
        with self._write() as conn:
            for job_id in job_ids:
                (deaths,) = conn.execute(
                    "SELECT deaths FROM job WHERE id = ?", (job_id,)
                ).fetchone()
                deaths += int(alone)
                self._note(job_id, now, "worker died", reason)
                if deaths >= retry.MAX_DEATHS:
                    text = f"it killed the worker {deaths} times ({reason})"
                    self._fail(job_id, text, now)
                    failed.append(job_id)
                else:
                    self._return(job_id, now, reason, give_back=not alone)
                conn.execute(
                    "UPDATE job SET deaths = ?, suspect = (state = 'waiting') WHERE id = ?",
                    (deaths, job_id),
                )
        return tuple(failed)

    # Recovery: under the lock, each running row of another owner is an orphan by definition.

    def orphans(self, owner: str) -> tuple[Orphan, ...]:
        rows = self._conn.execute(
            "SELECT id, path, content_sha256, output, output_sha256, width_px, height_px, scale "
            "FROM job WHERE state = 'running' AND owner <> ? ORDER BY id",
            (owner,),
        ).fetchall()
        return tuple(
            Orphan(
                row[0],
                Path(os.fsdecode(row[1])),
                None if row[3] is None else _result(row[3:]),
                row[2],
            )
            for row in rows
        )

    def adopt(self, orphan: Orphan, now: float, *, published: bool) -> JobState:
        """Settle an orphan: done where its output stands, else waiting, and alone next time."""
        with self._write() as conn:
            attempts, suspect = conn.execute(
                "SELECT attempts, suspect FROM job WHERE id = ?", (orphan.job_id,)
            ).fetchone()
            if published and orphan.result and orphan.content_sha256:
                note = "finished in a run that was cut off"
                done = Done(orphan.result, orphan.content_sha256, notes=(note,))
                self._finish(orphan.job_id, done, now)
                return JobState.DONE
            self._note(orphan.job_id, now, "recovered", "the daemon died while it ran")
            if suspect and attempts >= retry.MAX_RECOVERIES:
                self._fail(
                    orphan.job_id, f"the daemon died {attempts} times while this ran alone", now
                )
                return JobState.FAILED
            self._return(orphan.job_id, now, "the daemon died while it ran")
            conn.execute("UPDATE job SET suspect = 1 WHERE id = ?", (orphan.job_id,))
            return JobState.WAITING

    # Sources: touched only after the result is durable and committed.

    def disposals(self) -> tuple[Disposal, ...]:
        rows = self._conn.execute(
            "SELECT j.id, state, path, relative, device, inode, size_bytes, mtime_ns, delivery "
            "FROM job j JOIN recipe r ON r.id = recipe_id WHERE source_pending = 1 "
            "ORDER BY j.id LIMIT 1000"
        ).fetchall()
        return tuple(
            Disposal(
                row[0],
                JobState(row[1]),
                Path(os.fsdecode(row[2])),
                Path(os.fsdecode(row[3])),
                Fingerprint(*row[4:8]),
                plain.loads(row[8], Delivery),
            )
            for row in rows
        )

    def disposed(self, job_id: int, now: float, note: str | None = None) -> None:
        with self._write() as conn:
            conn.execute("UPDATE job SET source_pending = 0 WHERE id = ?", (job_id,))
            if note:
                self._note(job_id, now, "source", note)

    # By hand

    def pause(self, rule: str, reason: str, now: float) -> None:
        """Until resumed by hand; '' pauses all."""
        with self._write() as conn:
            conn.execute(
                "INSERT INTO pause (rule, cause, reason, since) VALUES (?, 'user', ?, ?) "
                "ON CONFLICT (rule) DO UPDATE SET cause = 'user', reason = excluded.reason, "
                "until = NULL",
                (rule, plain.printable(reason), now),
            )

    def resume(self, rule: str) -> bool:
        """Whether it was paused, by hand or by itself. '' resumes all that is paused."""
        with self._write() as conn:
            return conn.execute("DELETE FROM pause WHERE ? IN ('', rule)", (rule,)).rowcount > 0

    def retry(self, job_ids: Sequence[int] | None, now: float) -> int:
        """Queue failed and cancelled jobs again (None: all failed), with their counts at zero."""
        with self._write() as conn:
            if job_ids is None:
                job_ids = [
                    row[0] for row in conn.execute("SELECT id FROM job WHERE state = 'failed'")
                ]
            count = 0
            for job_id in job_ids:
                # OR IGNORE: the file may be queued again already, under a new job.
                done = conn.execute(
                    "UPDATE OR IGNORE job SET state = 'waiting', attempts = 0, deaths = 0, "
                    "finished_at = NULL, not_before = 0, source_pending = 0, reason = NULL, "
                    "hint = NULL WHERE id = ? AND state IN ('failed', 'cancelled')",
                    (job_id,),
                ).rowcount
                if done:
                    self._note(job_id, now, "retried by hand")
                count += done
        return count

    # Learned figures

    def learn(self, key: str, value: str, now: float) -> None:
        with self._write() as conn:
            conn.execute(
                "INSERT INTO learned VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE "
                "SET value = excluded.value, at = excluded.at",
                (key, value, now),
            )

    def learned(self) -> dict[str, str]:
        return dict(self._conn.execute("SELECT key, value FROM learned").fetchall())


def _result(row: Sequence[Any]) -> Result:
    return Result(Path(os.fsdecode(row[0])), *row[1:])


def _columns(result: Result) -> tuple[bytes, str, int, int, int]:
    return (
        os.fsencode(result.path),
        result.sha256,
        result.width_px,
        result.height_px,
        result.scale,
    )


def _relative(path: Path, root: Path) -> Path:
    return path.parent.relative_to(root) if path.is_relative_to(root) else Path()


def _connect(path: str) -> Database:
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("PRAGMA synchronous = FULL")
    conn.execute("PRAGMA foreign_keys = ON")
    (version,) = conn.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        conn.close()
        raise StoreTooNew(
            f"the job database {path} has schema {version}, this version knows {SCHEMA_VERSION}",
            hint="upgrade upscaled, or point $XDG_STATE_HOME at another folder",
        )
    database = Database(conn, execute_plugins=False)
    migrations.apply(database)
    conn.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    return database
