"""How an attempt at a job ended: done, failed, given back to the queue, or not wanted any more."""

import random
from collections.abc import Sequence
from dataclasses import asdict
from typing import assert_never

from upscaled import codec
from upscaled.cause import Cause
from upscaled.errors import StoreError
from upscaled.job import JobState
from upscaled.outcomes import (
    Cancelled,
    Changed,
    Done,
    Failed,
    Interrupted,
    Outcome,
    Retry,
    Snoozed,
    Vanished,
)
from upscaled.store import retry
from upscaled.store.columns import SET_RESULT, result_columns
from upscaled.store.database import InSession, Session, transaction

_ANOTHER_S = 1.0
"""A probe is another file's turn first: what stopped the rule may be this file's trouble alone."""


class Endings(InSession):
    """`finish`, `fail` and `give_back` are steps of a transaction; the rest are whole ones."""

    def __init__(self, session: Session, rng: random.Random | None = None) -> None:
        super().__init__(session)
        # Backoff jitter, not cryptography.
        self._rng = rng or random.Random()  # noqa: S311

    @transaction
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
        with self._session.write():
            row = self._session.row(
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
                self.finish(job_id, outcome, now)
                self._session.conn.execute(
                    "DELETE FROM pause WHERE rule = ? AND cause = 'environment'", (rule,)
                )
                return JobState.DONE
            case Failed(reason, hint, cause):
                self.fail(job_id, reason, now, cause, hint)
                return JobState.FAILED
            case Retry(reason, cause) if is_last:
                self.fail(job_id, f"{reason} (tried {attempts} times)", now, cause)
                return JobState.FAILED
            case Retry(reason, cause):
                delay_s = retry.content_delay_s(attempts, self._rng)
                self.give_back(job_id, now, reason, cause=cause, not_before=now + delay_s)
            case Snoozed():
                self._snooze(job_id, rule, outcome, now)
            case Interrupted():
                self.give_back(job_id, now, None, uncounted=True)
                self._session.note(job_id, now, "interrupted", cause=Cause.INTERRUPTED)
            case Changed() | Vanished():
                changed = isinstance(outcome, Changed)
                why = "the source changed" if changed else "the source is gone"
                cause = Cause.SOURCE_CHANGED if changed else Cause.SOURCE_GONE
                self._end(job_id, JobState.CANCELLED, why, now, cause)
                self._session.conn.execute("UPDATE job SET known = 0 WHERE id = ?", (job_id,))
                return JobState.CANCELLED
            case Cancelled(reason, cause):
                self._end(job_id, JobState.CANCELLED, reason, now, cause)
                return JobState.CANCELLED
            case _:
                assert_never(outcome)
        return JobState.WAITING

    def finish(self, job_id: int, done: Done, now: float) -> None:
        # A stage is called as its user likes; `decode_s` and the like are ours.
        stages = {f"stage {name}": seconds for name, seconds in done.stages_s.items()}
        timings = {**asdict(done.timings), **stages}
        self._session.conn.execute(
            f"UPDATE job SET {SET_RESULT}, state = 'done', owner = NULL, suspect = 0, "
            "finished_at = ?, content_sha256 = ?, "
            "duplicate_of = (SELECT id FROM job WHERE id = ?), notes = ?, timings = ?, "
            "figures = ?, source_pending = 1, reason = NULL, hint = NULL, cause = NULL "
            "WHERE id = ?",
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
        self._session.note(job_id, now, "done")

    def fail(
        self, job_id: int, reason: str, now: float, cause: Cause, hint: str | None = None
    ) -> None:
        self._end(job_id, JobState.FAILED, reason, now, cause, hint)
        self._session.conn.execute("UPDATE job SET source_pending = 1 WHERE id = ?", (job_id,))

    def _end(  # noqa: PLR0917 (the columns, in their order)
        self,
        job_id: int,
        state: JobState,
        reason: str,
        now: float,
        cause: Cause,
        hint: str | None = None,
    ) -> None:
        self._session.conn.execute(
            "UPDATE job SET state = ?, owner = NULL, suspect = 0, finished_at = ?, reason = ?, "
            "hint = ?, cause = ?, output = NULL, output_sha256 = NULL WHERE id = ?",
            (state, now, codec.printable(reason), hint and codec.printable(hint), cause, job_id),
        )
        self._session.note(job_id, now, state, reason, cause=cause)

    def give_back(
        self,
        job_id: int,
        now: float,
        reason: str | None,
        *,
        cause: Cause | None = None,
        hint: str | None = None,
        not_before: float = 0.0,
        uncounted: bool = False,
    ) -> None:
        """To the queue; `uncounted`: as if the attempt had not been made."""
        self._session.conn.execute(
            "UPDATE job SET state = 'waiting', owner = NULL, not_before = ?, reason = ?, "
            "hint = ?, cause = ?, attempts = max(attempts - ?, 0), output = NULL, "
            "output_sha256 = NULL WHERE id = ?",
            (
                not_before,
                reason and codec.printable(reason),
                hint and codec.printable(hint),
                cause,
                int(uncounted),
                job_id,
            ),
        )
        if reason is not None:
            self._session.note(job_id, now, "waiting", reason, cause=cause)

    def _snooze(self, job_id: int, rule: str, snoozed: Snoozed, now: float) -> None:
        own = self._session.row(
            "SELECT count(*) FROM history WHERE job_id = ? AND event = 'waiting'", (job_id,)
        )
        until = now + retry.environment_delay_s(own[0] if own else 0, self._rng)
        if snoozed.whole_rule:
            until = max(until, self._pause_rule(rule, snoozed, now) + _ANOTHER_S)
        self.give_back(
            job_id,
            now,
            snoozed.reason,
            cause=snoozed.cause,
            hint=snoozed.hint,
            not_before=until,
            uncounted=True,
        )

    def _pause_rule(self, rule: str, snoozed: Snoozed, now: float) -> float:
        """When it looks again."""
        row = self._session.row("SELECT tries FROM pause WHERE rule = ?", (rule,))
        until = now + retry.environment_delay_s(row[0] if row else 0, self._rng)
        hint = snoozed.hint and codec.printable(snoozed.hint)
        self._session.conn.execute(
            "INSERT INTO pause (rule, cause, reason, code, hint, since, until, tries) "
            "VALUES (?, 'environment', ?, ?, ?, ?, ?, 1) ON CONFLICT (rule) DO UPDATE "
            "SET reason = excluded.reason, code = excluded.code, hint = excluded.hint, "
            "until = excluded.until, tries = tries + 1 WHERE cause = 'environment'",
            (rule, codec.printable(snoozed.reason), snoozed.cause, hint, now, until),
        )
        return until

    @transaction
    def died(self, job_ids: Sequence[int], reason: str, now: float) -> tuple[int, ...]:
        """The worker died with these jobs in flight; those of them that failed as poison.

        A death is blamed on a job only when it was alone; otherwise all of them run again, one
        at a time, and the innocent get their attempt back.
        """
        alone = len(job_ids) == 1
        failed = []
        with self._session.write() as conn:
            for job_id in job_ids:
                (deaths,) = conn.execute(
                    "SELECT deaths FROM job WHERE id = ?", (job_id,)
                ).fetchone()
                deaths += int(alone)
                self._session.note(job_id, now, "worker died", reason, cause=Cause.WORKER_DIED)
                if deaths >= retry.MAX_DEATHS:
                    text = f"it killed the worker {deaths} times ({reason})"
                    hint = f"does another program open it? to try again: upscaled retry {job_id}"
                    self.fail(job_id, text, now, Cause.POISON, hint)
                    failed.append(job_id)
                else:
                    self.give_back(
                        job_id, now, reason, cause=Cause.WORKER_DIED, uncounted=not alone
                    )
                conn.execute(
                    "UPDATE job SET deaths = ?, suspect = (state = 'waiting') WHERE id = ?",
                    (deaths, job_id),
                )
        return tuple(failed)
