"""Handing settled files on, in batches, and again where that failed."""

import logging
import math
from collections.abc import Callable

from upscaled.clock import Clock
from upscaled.watch.candidates import Candidates
from upscaled.watch.schedule import Backoff
from upscaled.watch.spec import ArrivalBatch, InboxSpec, shown

log = logging.getLogger(__name__)

BATCH_FILES = 1000
PAUSE_S = 0.05
"""After a batch that was not full: 100,000 files shall make hundreds of batches, not thousands."""


class Handover:
    """Between the candidates and whoever takes its files."""

    def __init__(
        self,
        spec: InboxSpec,
        candidates: Candidates,
        deliver: Callable[[ArrivalBatch], None],
        clock: Clock,
    ) -> None:
        self._spec = spec
        self._candidates = candidates
        self._deliver = deliver
        self._clock = clock
        self._backoff = Backoff()
        self._not_before = -math.inf
        self.trouble: str | None = None
        self.busy = False
        """Files have left the candidates and may not have arrived yet."""

    def next_due(self) -> float:
        return max(self._candidates.next_due(), self._not_before)

    def hand_on(self) -> None:
        """One batch of at most 1000 files; nothing if none has settled."""
        self.busy = True
        try:
            self._hand_on()
        finally:
            self.busy = False

    def _hand_on(self) -> None:
        candidates = self._candidates
        settled = candidates.settled(BATCH_FILES)
        if not settled:
            return
        arrivals = tuple(candidates.arrival(each) for each in settled)
        batch = ArrivalBatch(self._spec.root, arrivals, any(each.scanned for each in settled))
        try:
            self._deliver(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, the files must not be lost
            for each in settled:
                candidates.undelivered(each)
            self._failed(error)
        else:
            for each in settled:
                candidates.delivered(each)
            self._backoff.reset()
            self.trouble = None
            if len(settled) < BATCH_FILES:
                self._not_before = self._clock.monotonic() + PAUSE_S

    def _failed(self, error: Exception) -> None:
        self._not_before = self._clock.monotonic() + self._backoff.next_s()
        trouble = f"files cannot be queued ({error})"
        if trouble != self.trouble:
            log.error("%s: %s", shown(self._spec.root), trouble, exc_info=error)
        self.trouble = trouble
