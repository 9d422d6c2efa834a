"""What becomes of sources, after their results are durable and committed."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType

from upscaled.clock import Clock
from upscaled.job import JobState, Order
from upscaled.outcomes import Outcome
from upscaled.service.events import SourceCleaned
from upscaled.service.sources.cleanup_lanes import Lane, lane_of
from upscaled.store.jobs import SourceCleanup, Store

_log = logging.getLogger(__name__)
_AGAIN_S = 60.0
_PAGE = 100
_PAGES = 5
"""Read in one go: some ms."""
_MOST_BUSY = 200
"""Of a lane. What has just ended never waits behind more: a hundred thousand may be stuck on a full
disk."""


class CleanupQueue:
    """Which sources are due. Lives in the supervisor's main thread.

    One that has just ended has its turn at once. Rounds through all that is pending, by id and a
    page at a time, find what an earlier run left and try again what could not be done.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        submit: Callable[[SourceCleanup], None],
        slow: Callable[[], Mapping[Lane, str]] = lambda: MappingProxyType({}),
    ) -> None:
        """Each disposal that is submitted has to be answered: `hear`.

        `slow`: lanes that may never answer, with why; nothing waits for those.
        """
        self._store = store
        self._clock = clock
        self._submit = submit
        self._slow = slow
        self._busy: dict[int, Lane] = {}
        self._loads: Counter[Lane] = Counter()
        self._full: Lane | None = None
        """What the round waits for."""
        self._stuck: set[int] = set()
        self._met: set[int] = set()
        self._trouble: str | None = None
        self._round_at = clock.monotonic()
        self._after: int | None = None
        """Where the round is; None: it is over."""

    @property
    def is_busy(self) -> bool:
        return bool(self._busy)

    @property
    def troubles(self) -> list[str]:
        """What cannot be done to sources now."""
        return [*self._slow().values(), *filter(None, [self._refused])]

    @property
    def _refused(self) -> str | None:
        if self._trouble is None or not self._stuck:
            return None
        more = len(self._stuck) - 1
        return f"{self._trouble} (and {more} more)" if more else self._trouble

    def job_ended(self, order: Order, _outcome: Outcome, state: JobState) -> None:
        if state is not JobState.WAITING:
            self.offer(order.job_id)

    def offer(self, job_id: int) -> None:
        """This job has just ended."""
        for pending in self._store.disposals_after(job_id):
            if self._loads[lane_of(pending)] >= _MOST_BUSY:
                # The next round comes to it.
                self._round_at = self._clock.monotonic()
            else:
                self._begin(pending)

    def settle(self) -> None:
        """Keep, move or delete what is pending; what failed is tried again in a minute."""
        now = self._clock.monotonic()
        if self._after is None and now >= self._round_at:
            self._after, self._round_at, self._met = 0, now + _AGAIN_S, set()
        if self._full is not None:
            is_full = self._loads[self._full] > _MOST_BUSY - _PAGE
            if is_full and self._full not in self._slow():
                return
            self._full = None
        for _ in range(_PAGES):
            if self._after is None or not self._turn_page(self._after):
                return

    def _turn_page(self, after: int) -> bool:
        """Whether the round can go on now."""
        page = self._store.disposals(after, most=_PAGE)
        for pending in page:
            lane = lane_of(pending)
            if pending.job_id not in self._busy and self._loads[lane] >= _MOST_BUSY:
                if lane not in self._slow():
                    self._full = lane
                    return False
                continue
            self._after = pending.job_id
            self._met.add(pending.job_id)
            self._begin(pending)
        self._after = page[-1].job_id if len(page) == _PAGE else None
        if self._after is None:
            # Others were queued again by hand meanwhile.
            self._stuck &= self._met | self._busy.keys()
        return True

    def _begin(self, pending: SourceCleanup) -> None:
        if pending.job_id not in self._busy:
            self._busy[pending.job_id] = lane = lane_of(pending)
            self._loads[lane] += 1
            self._submit(pending)

    def hear(self, disposed: SourceCleaned) -> None:
        """How it went."""
        job_id, trouble = disposed.job_id, disposed.trouble
        if trouble is None:
            self._store.disposed(job_id, self._clock.now(), disposed.fate)
            self._stuck.discard(job_id)
        else:
            if job_id not in self._stuck:
                _log.warning("%s; tried again each minute", trouble)
            self._stuck.add(job_id)
            self._trouble = trouble
        if (lane := self._busy.pop(job_id, None)) is not None:
            self._loads[lane] -= 1
