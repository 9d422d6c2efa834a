"""What people ask of the queue: pause, resume, retry, forget, bump."""

import os
from collections.abc import Sequence
from pathlib import Path

from upscaled import codec
from upscaled.cause import Cause
from upscaled.outcomes import SourceFate
from upscaled.store.database import InSession, Row, transaction

_GONE = f"""
SELECT job.id, h.cause, h.detail, h.place FROM job JOIN history h ON h.id =
    (SELECT max(id) FROM history
     WHERE job_id = job.id AND event IN ('claimed', 'source', 'retried by hand'))
WHERE h.event = 'source' AND h.cause IN ('{Cause.MOVED}', '{Cause.DELETED}', '{Cause.TRASHED}')
"""


class ByHand(InSession):
    @transaction
    def pause(self, rule: str, reason: str, now: float) -> None:
        """Until resumed by hand; '' pauses all."""
        with self._session.write() as conn:
            conn.execute(
                "INSERT INTO pause (rule, cause, reason, since) VALUES (?, 'user', ?, ?) "
                "ON CONFLICT (rule) DO UPDATE SET cause = 'user', reason = excluded.reason, "
                "code = NULL, hint = NULL, until = NULL",
                (rule, codec.printable(reason), now),
            )

    @transaction
    def resume(self, rule: str) -> bool:
        """Whether it was paused, by hand or by itself. '' resumes all that is paused.

        What waits for its next try is tried now: somebody has mended something.
        """
        with self._session.write() as conn:
            conn.execute(
                "UPDATE job SET not_before = 0 "
                "WHERE state = 'waiting' AND not_before > 0 AND ? IN ('', rule)",
                (rule,),
            )
            return conn.execute("DELETE FROM pause WHERE ? IN ('', rule)", (rule,)).rowcount > 0

    @transaction
    def retry(self, job_ids: Sequence[int] | None, now: float) -> list[int]:
        """Queue failed and cancelled jobs again (None: all failed), with their counts at zero.

        Which; not those that are `moved_away`: they would end as cancelled, and be forgotten.
        """
        with self._session.write() as conn:
            if job_ids is None:
                job_ids = [
                    row[0]
                    for row in self._session.rows("SELECT id FROM job WHERE state = 'failed'")
                ]
            moved = self.moved_away(job_ids)
            queued = []
            for job_id in filter(_is_possible, job_ids):
                if job_id in moved:
                    continue
                # OR IGNORE: the file may be queued again already, under a new job.
                done = conn.execute(
                    "UPDATE OR IGNORE job SET state = 'waiting', attempts = 0, deaths = 0, "
                    "known = 1, finished_at = NULL, not_before = 0, source_pending = 0, "
                    "reason = NULL, hint = NULL, cause = NULL "
                    "WHERE id = ? AND state IN ('failed', 'cancelled')",
                    (job_id,),
                ).rowcount
                if done:
                    self._session.note(job_id, now, "retried by hand")
                    queued.append(job_id)
        return queued

    @transaction
    def moved_away(self, job_ids: Sequence[int] | None) -> dict[int, SourceFate]:
        """Of failed and cancelled jobs (None: all failed), whose file the rule moved or deleted."""
        one = f"{_GONE} AND state IN ('failed', 'cancelled') AND job.id = ?"
        if job_ids is None:
            rows = self._session.rows(f"{_GONE} AND state = 'failed' ORDER BY job.id")
            return dict(map(_fate, rows))
        found = (self._session.row(one, (job_id,)) for job_id in job_ids if _is_possible(job_id))
        return dict(_fate(row) for row in found if row is not None)

    @transaction
    def forget(self, job_ids: Sequence[int] | None, now: float) -> list[int]:
        """Take waiting and failed jobs out (None: all failed); which.

        They end as cancelled and their files stay known, or the next scan would queue them
        again. `retry` brings one back.
        """
        with self._session.write() as conn:
            wanted = f"id IN ({_numbers(job_ids)}) AND" if job_ids is not None else ""
            states = "('failed')" if job_ids is None else "('waiting', 'failed')"
            rows = self._session.rows(f"SELECT id FROM job WHERE {wanted} state IN {states}")
            for (job_id,) in rows:
                conn.execute(
                    "UPDATE job SET state = 'cancelled', suspect = 0, source_pending = 0, "
                    "hint = NULL, cause = ?, finished_at = coalesce(finished_at, ?), "
                    "reason = coalesce(reason, 'forgotten by hand') WHERE id = ?",
                    (Cause.BY_HAND, now, job_id),
                )
                self._session.note(job_id, now, "forgotten by hand")
        return [job_id for (job_id,) in rows]

    @transaction
    def bump(self, job_ids: Sequence[int], now: float) -> list[int]:
        """To the front of all that waits, in this order, and now; which."""
        with self._session.write() as conn:
            row = self._session.row("SELECT max(priority) FROM job WHERE state = 'waiting'")
            top = row[0] if row and row[0] is not None else 0
            bumped = []
            for place, job_id in enumerate(filter(_is_possible, job_ids)):
                done = conn.execute(
                    "UPDATE job SET priority = ?, not_before = 0 "
                    "WHERE id = ? AND state = 'waiting'",
                    (top + len(job_ids) - place, job_id),
                ).rowcount
                if done:
                    self._session.note(job_id, now, "bumped by hand")
                    bumped.append(job_id)
        return bumped


def _fate(row: Row) -> tuple[int, SourceFate]:
    place = None if row[3] is None else Path(os.fsdecode(row[3]))
    return row[0], SourceFate(Cause(row[1]), row[2], place)


def _numbers(job_ids: Sequence[int]) -> str:
    return ", ".join(str(int(job_id)) for job_id in job_ids if _is_possible(job_id))


def _is_possible(job_id: int) -> bool:
    """People type any number; SQLite's have 64 bits."""
    return 0 < job_id < 1 << 63
