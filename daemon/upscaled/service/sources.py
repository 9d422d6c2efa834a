"""What becomes of sources, after their results are durable and committed."""

import logging

from upscaled.clock import Clock
from upscaled.output.source import dispose
from upscaled.store.jobs import Store

_log = logging.getLogger(__name__)
_AGAIN_S = 60.0


class Sources:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._not_before = clock.monotonic()
        self.trouble: str | None = None

    def settle(self, *, now: bool = False) -> None:
        """Keep, move or delete what is pending; what fails is tried again in a minute."""
        if not now and self._clock.monotonic() < self._not_before:
            return
        self.trouble = None
        for pending in self._store.disposals():
            try:
                note = dispose(
                    pending.source,
                    pending.relative,
                    pending.fingerprint,
                    pending.delivery,
                    pending.state,
                    mark=self._store.store_id,
                )
            except OSError as error:
                self.trouble = f"cannot move or delete {pending.source}: {error.strerror}"
                _log.warning("%s; tried again in a minute", self.trouble)
                self._not_before = self._clock.monotonic() + _AGAIN_S
                continue
            self._store.disposed(pending.job_id, self._clock.now(), note)
