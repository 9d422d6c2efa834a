"""What is long over, in small pages: one transaction takes milliseconds, whatever has piled up."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from upscaled.job import Fingerprint
from upscaled.store.columns import FINGERPRINT, fingerprint
from upscaled.store.database import InSession, transaction

_IS_OVER = "state IN ('done', 'failed', 'cancelled') AND source_pending = 0"


@dataclass(frozen=True, slots=True)
class Past:
    """A job that ended long ago."""

    job_id: int
    source: Path
    relative: Path
    """The source's folder below its inbox."""
    fingerprint: Fingerprint
    is_known: bool
    """Whether its file, should it still lie in the inbox, must not be queued again."""


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of the job table."""

    past: tuple[Past, ...]
    last_id: int | None
    """Where the next page begins; None: there is none."""


class Pruning(InSession):
    @transaction
    def page(self, after: int, before: float, *, most: int) -> Page:
        """Of the next `most` jobs behind the id `after`, those that ended before that time."""
        ids = f"SELECT id FROM job WHERE id > ? ORDER BY id LIMIT {int(most)}"
        row = self._session.row(f"SELECT max(id), count(*) FROM ({ids})", (after,))
        last_id, count = row or (None, 0)
        rows = self._session.rows(
            f"SELECT id, path, relative, known, {FINGERPRINT} FROM job "
            f"WHERE id IN ({ids}) AND finished_at < ? AND {_IS_OVER} ORDER BY id",
            (after, before),
        )
        past = (
            Past(
                row[0],
                Path(os.fsdecode(row[1])),
                Path(os.fsdecode(row[2])),
                fingerprint(row[4:]),
                bool(row[3]),
            )
            for row in rows
        )
        return Page(tuple(past), last_id if count == most else None)

    @transaction
    def prune(self, gone: Sequence[int], there: Sequence[int]) -> int:
        """Forget jobs whose files are gone; of those that are there, only what happened to them.

        The number of jobs forgotten: one that was queued again meanwhile is none.
        """
        with self._session.write() as conn:
            conn.executemany(
                "DELETE FROM history WHERE job_id = "
                f"(SELECT id FROM job WHERE id = ? AND {_IS_OVER})",
                [(job_id,) for job_id in there],
            )
            return conn.executemany(
                f"DELETE FROM job WHERE id = ? AND {_IS_OVER}", [(job_id,) for job_id in gone]
            ).rowcount
