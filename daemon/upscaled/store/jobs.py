"""The job queue: a front for its parts, each of whose methods is one transaction.

Only the daemon's main thread uses it.
"""

import random
from pathlib import Path

from upscaled.store.arrivals import Arrivals
from upscaled.store.attempts import Attempts, Ready
from upscaled.store.by_hand import ByHand
from upscaled.store.counts import Counts
from upscaled.store.database import InSession, Repeat, Session, connect, explained, transaction
from upscaled.store.endings import Endings
from upscaled.store.pruning import Pruning
from upscaled.store.recovery import Orphan, Recovery, SourceCleanup

__all__ = ["Orphan", "Ready", "SourceCleanup", "Store"]


class Store(InSession):
    def __init__(self, session: Session, store_id: str, rng: random.Random | None = None) -> None:
        """`store_id`: marks our temporary files. `rng`: for the jitter of delays."""
        super().__init__(session)
        self.store_id = store_id
        self._rng = rng

        arrivals = Arrivals(session)
        self.admit = arrivals.admit
        self.live_job = arrivals.live_job
        self.reconsider = arrivals.reconsider

        attempts = Attempts(session)
        self.ready = attempts.ready
        self.next_wake = attempts.next_wake
        self.retries = attempts.retries
        self.claim = attempts.claim
        self.identify = attempts.identify
        self.made_by = attempts.made_by
        self.publishing = attempts.publishing

        endings = Endings(session, rng)
        self.record = endings.record
        self.died = endings.died

        recovery = Recovery(session, endings)
        self.orphans = recovery.orphans
        self.adopt = recovery.adopt
        self.disposals = recovery.disposals
        self.disposals_after = recovery.disposals_after
        self.disposed = recovery.disposed

        by_hand = ByHand(session)
        self.pause = by_hand.pause
        self.resume = by_hand.resume
        self.retry = by_hand.retry
        self.moved_away = by_hand.moved_away
        self.forget = by_hand.forget
        self.bump = by_hand.bump

        counts = Counts(session)
        self.queue = counts.queue
        self.has_work = counts.has_work
        self.failed_since = counts.failed_since
        self.unfinished = counts.unfinished

        pruning = Pruning(session)
        self.page = pruning.page
        self.prune = pruning.prune

    @classmethod
    def open(cls, path: Path, rng: random.Random | None = None) -> "Store":
        """Open or make the database, and bring its schema up to date.

        Raises:
            StoreTooNew: a newer version wrote it.
            StoreError: it cannot be opened, or is no database.
        """
        with explained(str(path)):
            path.parent.mkdir(parents=True, exist_ok=True)
        return cls._over(Session(connect(str(path)), str(path)), rng)

    @classmethod
    def in_memory(cls, rng: random.Random | None = None) -> "Store":
        return cls._over(Session(connect(":memory:"), ":memory:"), rng)

    @classmethod
    def _over(cls, session: Session, rng: random.Random | None) -> "Store":
        row = session.row("SELECT value FROM meta WHERE key = 'store_id'")
        return cls(session, row[0] if row else "", rng)

    def repeated(self, repeat: Repeat) -> "Store":
        """The same store, each call done by `repeat`: again, where the disk was full."""
        return Store(self._session.repeated(repeat), self.store_id, self._rng)

    def close(self) -> None:
        self._session.close()

    @transaction
    def learn(self, key: str, value: str, now: float) -> None:
        """Keep a figure that was measured on a device."""
        with self._session.write() as conn:
            conn.execute(
                "INSERT INTO learned VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE "
                "SET value = excluded.value, at = excluded.at",
                (key, value, now),
            )

    @transaction
    def learned(self) -> dict[str, str]:
        return dict(self._session.rows("SELECT key, value FROM learned"))
