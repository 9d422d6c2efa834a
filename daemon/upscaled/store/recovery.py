"""What a daemon finds when it starts: orphans, and sources that were still to be touched."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from upscaled import codec
from upscaled.cause import Cause
from upscaled.delivery import Delivery
from upscaled.job import Fingerprint, JobState
from upscaled.outcomes import Done, Result, SourceFate
from upscaled.store import retry
from upscaled.store.columns import FINGERPRINT, RESULT, fingerprint, result
from upscaled.store.database import InSession, Row, Session, transaction
from upscaled.store.endings import Endings


@dataclass(frozen=True, slots=True)
class Orphan:
    """A job that ran when its daemon died, with what it was about to publish."""

    job_id: int
    source: Path
    result: Result | None
    content_sha256: str | None


@dataclass(frozen=True, slots=True)
class SourceCleanup:
    """A finished job whose source still has to be kept, moved or deleted by its rule."""

    job_id: int
    state: JobState
    source: Path
    relative: Path
    fingerprint: Fingerprint
    delivery: Delivery


_IS_WANTED = """EXISTS (SELECT 1 FROM job o WHERE o.path = j.path AND o.rule <> j.rule
    AND o.state IN ('waiting', 'running') AND o.inode = j.inode AND o.mtime_ns = j.mtime_ns)"""
"""Another rule (`also:`) still has to read the same file."""

_DISPOSAL = (
    f"SELECT j.id, state, path, relative, delivery, output, {FINGERPRINT} "
    "FROM job j JOIN recipe r ON r.id = recipe_id"
)


class Recovery(InSession):
    def __init__(self, session: Session, endings: Endings) -> None:
        super().__init__(session)
        self._endings = endings

    @transaction
    def orphans(self, owner: str) -> tuple[Orphan, ...]:
        """Under the lock, each running row of another owner is one by definition."""
        rows = self._session.rows(
            f"SELECT id, path, content_sha256, {RESULT} FROM job "
            "WHERE state = 'running' AND owner <> ? ORDER BY id",
            (owner,),
        )
        return tuple(
            Orphan(
                row[0],
                Path(os.fsdecode(row[1])),
                None if row[3] is None else result(row[3:]),
                row[2],
            )
            for row in rows
        )

    @transaction
    def adopt(self, orphan: Orphan, now: float, *, published: bool) -> JobState:
        """Settle an orphan: done where its output stands, else waiting, and alone next time."""
        with self._session.write() as conn:
            attempts, suspect = conn.execute(
                "SELECT attempts, suspect FROM job WHERE id = ?", (orphan.job_id,)
            ).fetchone()
            if published and orphan.result and orphan.content_sha256:
                note = "finished in a run that was cut off"
                done = Done(orphan.result, orphan.content_sha256, notes=(note,))
                self._endings.finish(orphan.job_id, done, now)
                return JobState.DONE
            self._session.note(
                orphan.job_id,
                now,
                "recovered",
                "the daemon died while it ran",
                cause=Cause.DAEMON_DIED,
            )
            if suspect and attempts >= retry.MAX_RECOVERIES:
                why = f"the daemon died {attempts} times while this ran alone"
                self._endings.fail(orphan.job_id, why, now, Cause.DAEMON_DIED)
                return JobState.FAILED
            self._endings.give_back(
                orphan.job_id, now, "the daemon died while it ran", cause=Cause.DAEMON_DIED
            )
            conn.execute("UPDATE job SET suspect = 1 WHERE id = ?", (orphan.job_id,))
            return JobState.WAITING

    @transaction
    def disposals(self, after: int = 0, *, most: int = 1000) -> tuple[SourceCleanup, ...]:
        """The first `most` whose ids are greater than `after`, by id.

        Sources are touched only after the result is durable and committed.
        """
        rows = self._session.rows(
            f"{_DISPOSAL} WHERE source_pending = 1 AND j.id > ? AND NOT {_IS_WANTED} "
            "ORDER BY j.id LIMIT ?",
            (after, most),
        )
        return tuple(map(_disposal, rows))

    @transaction
    def disposals_after(self, job_id: int) -> tuple[SourceCleanup, ...]:
        """What the end of this job lets happen: its own, and those of rules that waited for it."""
        rows = self._session.rows(
            f"{_DISPOSAL} WHERE j.path = (SELECT path FROM job WHERE id = ?) "
            f"AND source_pending = 1 AND NOT {_IS_WANTED} ORDER BY j.id",
            (job_id,),
        )
        return tuple(map(_disposal, rows))

    @transaction
    def disposed(self, job_id: int, now: float, fate: SourceFate | None = None) -> None:
        with self._session.write() as conn:
            conn.execute("UPDATE job SET source_pending = 0 WHERE id = ?", (job_id,))
            if fate is not None:
                # It left the inbox: the same file put back there is wanted again.
                conn.execute("UPDATE job SET known = 0 WHERE id = ?", (job_id,))
                self._session.note(
                    job_id, now, "source", fate.note, cause=fate.cause, place=fate.place
                )


def _disposal(row: Row) -> SourceCleanup:
    return SourceCleanup(
        row[0],
        JobState(row[1]),
        Path(os.fsdecode(row[2])),
        Path(os.fsdecode(row[3])),
        fingerprint(row[6:]),
        _with_review(codec.loads(row[4], Delivery), row[5]),
    )


def _with_review(delivery: Delivery, output: bytes | None) -> Delivery:
    """What lies to be looked at is no success yet: its source stays."""
    folder = delivery.check.review_folder if delivery.check else None
    if output is None or folder is None or not Path(os.fsdecode(output)).is_relative_to(folder):
        return delivery
    return replace(delivery, on_success="keep")
