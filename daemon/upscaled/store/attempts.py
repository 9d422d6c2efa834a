"""An attempt at a job: claimed, told about while it runs, and how it ended."""

import os
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import assert_never

from upscaled import codec
from upscaled.delivery import Delivery
from upscaled.errors import StoreError
from upscaled.job import JobState, Order
from upscaled.outcomes import (
    Cancelled,
    Changed,
    Done,
    Duplicate,
    Failed,
    Interrupted,
    Outcome,
    Result,
    Retry,
    Snoozed,
    Vanished,
)
from upscaled.recipe import Recipe
from upscaled.store import retry
from upscaled.store.columns import FINGERPRINT, RESULT, fingerprint, result, result_columns
from upscaled.store.database import Session
from upscaled.store.schema import Database

# A time further away than any delay was set by a clock that has been put back since.
_IS_DUE = f"(not_before <= :now OR not_before > :now + {retry.LONGEST_S})"
_IS_ON = f"(until IS NULL OR (until > :now AND until <= :now + {retry.LONGEST_S}))"

_PAUSED = f"SELECT rule, {_IS_ON} FROM pause"

_RETRIES = """
SELECT DISTINCT rule FROM job INDEXED BY job_later
WHERE state = 'waiting' AND not_before > 0 AND not_before > :now AND not_before <= :until
    AND attempts > 0
"""

_NEXT = f"""
SELECT job.id, path, relative, attempts + 1, recipe, delivery, job.priority, {FINGERPRINT}
FROM job JOIN recipe ON recipe.id = recipe_id
WHERE state = 'waiting' AND rule = :rule AND suspect = :suspect AND {_IS_DUE}
ORDER BY job.priority DESC, job.id LIMIT 1
"""

_WAKE = f"""
SELECT min(t) FROM (
    SELECT min(not_before) AS t FROM job INDEXED BY job_later
    WHERE state = 'waiting' AND not_before > 0 AND not_before > :now
        AND not_before <= :now + {retry.LONGEST_S}
    UNION ALL
    SELECT min(until) FROM pause WHERE {_IS_ON})
"""

_MADE_BY = """
WITH RECURSIVE line (id, rule, source, steps) AS (
    SELECT id, rule, content_sha256, 1 FROM job
    WHERE state = 'done' AND output_sha256 = ? AND content_sha256 <> output_sha256
    UNION
    SELECT j.id, j.rule, j.content_sha256, steps + 1 FROM line JOIN job j
        ON j.state = 'done' AND j.output_sha256 = line.source AND steps < 20
)
SELECT id FROM line WHERE rule = ? ORDER BY steps, id LIMIT 1
"""

_TWIN = f"""
SELECT old.id, {", ".join(f"old.{column}" for column in RESULT.split(", "))}
FROM job old JOIN recipe r ON r.id = old.recipe_id,
     job new JOIN recipe s ON s.id = new.recipe_id
WHERE new.id = ? AND old.rule = new.rule AND old.content_sha256 = ? AND old.state = 'done'
    AND r.pixels_digest = s.pixels_digest
ORDER BY old.id DESC LIMIT 1
"""

_SET_RESULT = "output = ?, output_sha256 = ?, width_px = ?, height_px = ?, scale = ?"

_ANOTHER_S = 1.0
"""A probe is another file's turn first: what stopped the rule may be this file's trouble alone."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What a rule has to offer now. Suspects (their worker died) have to run alone."""

    rule: str
    suspect: bool
    priority: int
    job_id: int
    probe: bool = False
    """The rule was paused by its environment: one job at a time finds out if it still is."""
    model: str = ""
    """Equal for jobs that can share one loaded network."""


@lru_cache(maxsize=256)
def _network(recipe: str) -> str:
    """Of a stored recipe; asked for many times a second, of few."""
    found = codec.loads(recipe, Recipe)
    return f"{found.precision} {found.tile_px} {found.model}"


class Attempts(Session):
    def __init__(self, database: Database, path: str, rng: random.Random | None = None) -> None:
        super().__init__(database, path)
        # Backoff jitter, not cryptography.
        self._rng = rng or random.Random()  # noqa: S311

    def ready(self, rules: Iterable[str], now: float) -> tuple[Ready, ...]:
        """The first job of each of these rules that could be claimed now.

        A few index look-ups for each rule, however long the queue is. Jobs of rules that are
        not named (removed from the configuration) are held.
        """
        pauses = self._rows(_PAUSED, {"now": now})
        paused = {rule for rule, is_on in pauses if is_on}
        if "" in paused:
            return ()
        found = []
        for rule in rules:
            if rule in paused:
                continue
            for suspect in (False, True):
                row = self._row(_NEXT, {"rule": rule, "suspect": int(suspect), "now": now})
                if row is not None:
                    probe = (rule, 0) in pauses
                    found.append(Ready(rule, suspect, row[6], row[0], probe, _network(row[4])))
        return tuple(found)

    def next_wake(self, now: float) -> float | None:
        """When the next waiting job or paused rule is due, as wall time; None: nothing waits."""
        row = self._row(_WAKE, {"now": now})
        return None if row is None or row[0] is None else float(row[0])

    def retries(self, rules: Iterable[str], now: float, within_s: float) -> bool:
        """Whether a file of these rules that may still be arriving is tried again so soon."""
        on = {rule for rule, is_on in self._rows(_PAUSED, {"now": now}) if is_on}
        if "" in on:
            return False
        rows = self._rows(_RETRIES, {"now": now, "until": now + within_s})
        return any(rule in rules and rule not in on for (rule,) in rows)

    def claim(self, ready: Ready, owner: str, now: float) -> Order | None:
        """Take the next job of this rule; its attempt is counted before any work."""
        values = {"rule": ready.rule, "suspect": int(ready.suspect), "now": now}
        with self._write() as conn:
            row = self._row(_NEXT, values)
            if row is None:
                return None
            order = Order(
                job_id=row[0],
                rule=ready.rule,
                source=Path(os.fsdecode(row[1])),
                relative=Path(os.fsdecode(row[2])),
                fingerprint=fingerprint(row[7:]),
                recipe=codec.loads(row[4], Recipe),
                delivery=codec.loads(row[5], Delivery),
                attempt=row[3],
            )
            conn.execute(
                "UPDATE job SET state = 'running', owner = ?, attempts = attempts + 1, "
                "claimed_at = ?, content_sha256 = NULL, output = NULL, output_sha256 = NULL "
                "WHERE id = ?",
                (owner, now, order.job_id),
            )
            self._note(order.job_id, now, "claimed", f"attempt {order.attempt}")
        return order

    def identify(self, job_id: int, content_sha256: str) -> Duplicate | None:
        """Keep what the source's bytes are; an earlier result of the same, if there is one."""
        with self._write() as conn:
            conn.execute(
                "UPDATE job SET content_sha256 = ? WHERE id = ? AND state = 'running'",
                (content_sha256, job_id),
            )
            row = self._row(_TWIN, (job_id, content_sha256))
        return None if row is None else Duplicate(row[0], result(row[1:]))

    def made_by(self, rule: str, content_sha256: str) -> int | None:
        """The job of `rule` whose result these bytes are, or were made from by other rules.

        A result that comes back to where it came from would go round for ever.
        """
        row = self._row(_MADE_BY, (content_sha256, rule))
        return None if row is None else int(row[0])

    def publishing(self, job_id: int, about_to: Result) -> None:
        """Keep what is about to get its final name, so that a crash after it is seen as done."""
        with self._write() as conn:
            conn.execute(
                f"UPDATE job SET {_SET_RESULT} WHERE id = ? AND state = 'running'",
                (*result_columns(about_to), job_id),
            )

    def record(
        self,
        job_id: int,
        outcome: Outcome,
        now: float,
        *,
        max_attempts: int = retry.MAX_ATTEMPTS,
    ) -> JobState:
        """End the attempt; the job's new state. `max_attempts` is the rule's.

        Raises:
            StoreError: the job is not running.
        """
        with self._write():
            row = self._row(
                "SELECT attempts, rule FROM job WHERE id = ? AND state = 'running'", (job_id,)
            )
            if row is None:
                raise StoreError(f"job {job_id} is not running")
            attempts, rule = row
            return self._record(
                job_id, outcome, now, rule, attempts, is_last=attempts >= max_attempts
            )

    def _record(
        self,
        job_id: int,
        outcome: Outcome,
        now: float,
        rule: str,
        attempts: int,
        *,
        is_last: bool,
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
            case Retry(reason) if is_last:
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
                self._conn.execute("UPDATE job SET known = 0 WHERE id = ?", (job_id,))
                return JobState.CANCELLED
            case Cancelled(reason):
                self._end(job_id, JobState.CANCELLED, reason, now)
                return JobState.CANCELLED
            case _:
                assert_never(outcome)
        return JobState.WAITING

    def _finish(self, job_id: int, done: Done, now: float) -> None:
        # A stage is called as its user likes; `decode_s` and the like are ours.
        stages = {f"stage {name}": seconds for name, seconds in done.stages_s.items()}
        timings = {**asdict(done.timings), **stages}
        self._conn.execute(
            f"UPDATE job SET {_SET_RESULT}, state = 'done', owner = NULL, suspect = 0, "
            "finished_at = ?, content_sha256 = ?, "
            "duplicate_of = (SELECT id FROM job WHERE id = ?), notes = ?, timings = ?, "
            "figures = ?, source_pending = 1, reason = NULL, hint = NULL WHERE id = ?",
            (
                *result_columns(done.result),
                now,
                done.content_sha256,
                done.duplicate_of,
                codec.dumps([codec.printable(note) for note in done.notes]),
                codec.dumps(timings),
                codec.dumps(done.figures),
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
            (state, now, codec.printable(reason), hint and codec.printable(hint), job_id),
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
            (not_before, reason and codec.printable(reason), int(give_back), job_id),
        )
        if reason is not None:
            self._note(job_id, now, "waiting", reason)

    def _snooze(self, job_id: int, rule: str, reason: str, now: float, *, whole_rule: bool) -> None:
        own = self._row(
            "SELECT count(*) FROM history WHERE job_id = ? AND event = 'waiting'", (job_id,)
        )
        until = now + retry.environment_delay_s(own[0] if own else 0, self._rng)
        if whole_rule:
            until = max(until, self._pause_rule(rule, reason, now) + _ANOTHER_S)
        self._return(job_id, now, reason, not_before=until, give_back=True)

    def _pause_rule(self, rule: str, reason: str, now: float) -> float:
        """When it looks again."""
        row = self._row("SELECT tries FROM pause WHERE rule = ?", (rule,))
        until = now + retry.environment_delay_s(row[0] if row else 0, self._rng)
        self._conn.execute(
            "INSERT INTO pause (rule, cause, reason, since, until, tries) "
            "VALUES (?, 'environment', ?, ?, ?, 1) ON CONFLICT (rule) DO UPDATE "
            "SET reason = excluded.reason, until = excluded.until, tries = tries + 1 "
            "WHERE cause = 'environment'",
            (rule, codec.printable(reason), now, until),
        )
        return until

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
                    hint = f"does another program open it? to try again: upscaled retry {job_id}"
                    self._fail(job_id, text, now, hint)
                    failed.append(job_id)
                else:
                    self._return(job_id, now, reason, give_back=not alone)
                conn.execute(
                    "UPDATE job SET deaths = ?, suspect = (state = 'waiting') WHERE id = ?",
                    (deaths, job_id),
                )
        return tuple(failed)
