"""The queue. Each method is one transaction; only the supervisor's main thread calls it."""

import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from upscaled import codec
from upscaled.job import NO_RULE
from upscaled.store.arrivals import Arrivals
from upscaled.store.attempts import Ready
from upscaled.store.database import connect, explained
from upscaled.store.pruning import Pruning
from upscaled.store.recovery import Orphan, Recovery, SourceCleanup
from upscaled.store.schema import Database

__all__ = ["Orphan", "Ready", "SourceCleanup", "Store"]


_UNFINISHED = "SELECT count(*), max(reason) FROM job WHERE state = 'waiting' AND rule = ?"

_GONE = """
SELECT job.id, h.detail FROM job JOIN history h ON h.id = (SELECT max(id) FROM history
    WHERE job_id = job.id AND event IN ('claimed', 'source', 'retried by hand'))
WHERE h.event = 'source' AND (substr(h.detail, 1, 9) = 'moved to ' OR h.detail = 'deleted')
"""


class Store(Arrivals, Recovery, Pruning):
    """Arrivals come in, attempts are made at them; here is what people ask for by hand."""

    def __init__(self, database: Database, path: str, rng: random.Random | None = None) -> None:
        super().__init__(database, path, rng)
        row = self._row("SELECT value FROM meta WHERE key = 'store_id'")
        self.store_id: str = row[0] if row else ""
        self._counted: tuple[int, tuple[int, bool]] | None = None

    @classmethod
    def open(cls, path: Path) -> "Store":
        """Open or make the database, and bring its schema up to date.

        Raises:
            StoreTooNew: a newer version wrote it.
            StoreError: it cannot be opened, or is no database.
        """
        with explained(str(path)):
            path.parent.mkdir(parents=True, exist_ok=True)
        return cls(connect(str(path)), str(path))

    @classmethod
    def in_memory(cls, rng: random.Random | None = None) -> "Store":
        return cls(connect(":memory:"), ":memory:", rng)

    def queue(self) -> tuple[int, bool]:
        """How many files wait, and whether all is paused by hand."""
        # Asked each second; nobody else writes, and to count 100,000 takes milliseconds.
        changes = self._conn.total_changes
        if self._counted is None or self._counted[0] != changes:
            waiting = self._row("SELECT count(*) FROM job WHERE state = 'waiting'")
            is_paused = bool(self._row("SELECT 1 FROM pause WHERE rule = ''"))
            self._counted = changes, (waiting[0] if waiting else 0, is_paused)
        return self._counted[1]

    def pause(self, rule: str, reason: str, now: float) -> None:
        """Until resumed by hand; '' pauses all."""
        with self._write() as conn:
            conn.execute(
                "INSERT INTO pause (rule, cause, reason, since) VALUES (?, 'user', ?, ?) "
                "ON CONFLICT (rule) DO UPDATE SET cause = 'user', reason = excluded.reason, "
                "until = NULL",
                (rule, codec.printable(reason), now),
            )

    def resume(self, rule: str) -> bool:
        """Whether it was paused, by hand or by itself. '' resumes all that is paused.

        What waits for its next try is tried now: somebody has mended something.
        """
        with self._write() as conn:
            conn.execute(
                "UPDATE job SET not_before = 0 "
                "WHERE state = 'waiting' AND not_before > 0 AND ? IN ('', rule)",
                (rule,),
            )
            return conn.execute("DELETE FROM pause WHERE ? IN ('', rule)", (rule,)).rowcount > 0

    def retry(self, job_ids: Sequence[int] | None, now: float) -> list[int]:
        """Queue failed and cancelled jobs again (None: all failed), with their counts at zero.

        Which; not those that are `moved_away`: they would end as cancelled, and be forgotten.
        """
        with self._write() as conn:
            if job_ids is None:
                job_ids = [
                    row[0] for row in self._rows("SELECT id FROM job WHERE state = 'failed'")
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
                    "reason = NULL, hint = NULL WHERE id = ? AND state IN ('failed', 'cancelled')",
                    (job_id,),
                ).rowcount
                if done:
                    self._note(job_id, now, "retried by hand")
                    queued.append(job_id)
        return queued

    def moved_away(self, job_ids: Sequence[int] | None) -> dict[int, str]:
        """Of failed and cancelled jobs (None: all failed), whose file the rule moved or deleted.

        With what was done: `moved to …`, `deleted`.
        """
        one = f"{_GONE} AND state IN ('failed', 'cancelled') AND job.id = ?"
        if job_ids is None:
            return dict(self._rows(f"{_GONE} AND state = 'failed' ORDER BY job.id"))
        found = (self._row(one, (job_id,)) for job_id in job_ids if _is_possible(job_id))
        return {row[0]: row[1] for row in found if row is not None}

    def has_work(self, rule: str) -> bool:
        """Whether anything of it waits, for whatever, or runs."""
        row = self._row(
            "SELECT 1 FROM job WHERE rule = ? AND state IN ('waiting', 'running') LIMIT 1", (rule,)
        )
        return row is not None

    def failed_since(self, at: float) -> int:
        """How many jobs failed since then."""
        row = self._row(
            "SELECT count(*) FROM job WHERE state = 'failed' AND finished_at >= ?", (at,)
        )
        return row[0] if row else 0

    def unfinished(self, rules: Iterable[str]) -> tuple[int, str | None]:
        """How many files of these rules wait, and what for, where somebody knows."""
        waiting, reason = 0, None
        for rule in rules:
            row = self._row(_UNFINISHED, (rule,))
            paused = self._row("SELECT reason FROM pause WHERE rule IN ('', ?)", (rule,))
            if row and row[0]:
                waiting += row[0]
                reason = reason or (paused[0] if paused else row[1])
        return waiting, reason

    def forget(self, job_ids: Sequence[int] | None, now: float) -> list[int]:
        """Take waiting and failed jobs out (None: all failed); which.

        They end as cancelled and their files stay known, or the next scan would queue them
        again. `retry` brings one back.
        """
        with self._write() as conn:
            wanted = f"id IN ({_numbers(job_ids)}) AND" if job_ids is not None else ""
            states = "('failed')" if job_ids is None else "('waiting', 'failed')"
            rows = self._rows(f"SELECT id FROM job WHERE {wanted} state IN {states}")
            for (job_id,) in rows:
                conn.execute(
                    "UPDATE job SET state = 'cancelled', suspect = 0, source_pending = 0, "
                    "hint = NULL, finished_at = coalesce(finished_at, ?), "
                    "reason = coalesce(reason, 'forgotten by hand') WHERE id = ?",
                    (now, job_id),
                )
                self._note(job_id, now, "forgotten by hand")
        return [job_id for (job_id,) in rows]

    def reconsider(self, rules_digest: str) -> int:
        """Where the rules are others than last time: look anew at files that none of them took.

        They are not known any more, so that the next scan queues them; how many.
        """
        with self._write() as conn:
            before = self._row("SELECT value FROM meta WHERE key = 'rules'")
            if before is not None and before[0] == rules_digest:
                return 0
            conn.execute("INSERT OR REPLACE INTO meta VALUES ('rules', ?)", (rules_digest,))
            return conn.execute(
                "UPDATE job SET known = 0 WHERE state = 'cancelled' AND known = 1 "
                "AND substr(reason, 1, ?) = ?",
                (len(NO_RULE), NO_RULE),
            ).rowcount

    def bump(self, job_ids: Sequence[int], now: float) -> list[int]:
        """To the front of all that waits, in this order, and now; which."""
        with self._write() as conn:
            row = self._row("SELECT max(priority) FROM job WHERE state = 'waiting'")
            top = row[0] if row and row[0] is not None else 0
            bumped = []
            for place, job_id in enumerate(filter(_is_possible, job_ids)):
                done = conn.execute(
                    "UPDATE job SET priority = ?, not_before = 0 "
                    "WHERE id = ? AND state = 'waiting'",
                    (top + len(job_ids) - place, job_id),
                ).rowcount
                if done:
                    self._note(job_id, now, "bumped by hand")
                    bumped.append(job_id)
        return bumped

    def learn(self, key: str, value: str, now: float) -> None:
        """Keep a figure that was measured on a device."""
        with self._write() as conn:
            conn.execute(
                "INSERT INTO learned VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE "
                "SET value = excluded.value, at = excluded.at",
                (key, value, now),
            )

    def learned(self) -> dict[str, str]:
        return dict(self._rows("SELECT key, value FROM learned"))


def _numbers(job_ids: Sequence[int]) -> str:
    return ", ".join(str(int(job_id)) for job_id in job_ids if _is_possible(job_id))


def _is_possible(job_id: int) -> bool:
    """People type any number; SQLite's have 64 bits."""
    return 0 < job_id < 1 << 63
