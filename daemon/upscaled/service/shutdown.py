"""The end: when it comes, and that of all threads and children within one limit.

Some may hang and cannot be killed.
"""

import logging
from collections.abc import Callable

from upscaled.clock import Clock
from upscaled.service.inboxes import Inboxes
from upscaled.service.sources.cleanup_lanes import CleanupLanes
from upscaled.service.workers.pool import WorkerPool

_log = logging.getLogger(__name__)

STOP_GRACE_S = 4.0
"""For the worker to reach the end of a tile."""
STOP_LIMIT_S = 4.8
"""For all of the end: people wait five seconds."""
_LAST_WAIT_S = 0.05
ARRIVING_S = 120.0
"""How long a single pass waits for a file that is not whole yet: for its second and third try."""


class Shutdown:
    """When it began, and how long it may take."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: float | None = None

    @property
    def has_begun(self) -> bool:
        return self._since is not None

    @property
    def since(self) -> float:
        """Where it was not begun by anybody, it begins now."""
        return self._clock.monotonic() if self._since is None else self._since

    def begin(self) -> None:
        self._since = self._clock.monotonic()

    @property
    def grace_s(self) -> float | None:
        """What is left for the worker to reach the end of its tile; None: nobody has to."""
        if self._since is None:
            return None
        return self._since + STOP_GRACE_S - self._clock.monotonic()


def shut(
    pool: WorkerPool,
    inboxes: Inboxes,
    lanes: CleanupLanes,
    clock: Clock,
    *,
    since: float,
    on_event: Callable[[float], None],
) -> None:
    """`on_event(timeout_s)` waits for one event and handles it; the end began at `since`."""
    until = since + STOP_LIMIT_S
    pool.kill()
    inboxes.begin_stop()
    while not pool.is_stopped and clock.monotonic() < until:
        on_event(until - clock.monotonic())
    for slot in pool.slots:
        if slot.worker is not None:
            _log.error(
                "the worker (pid %d) hangs in the kernel and does not end; what it was at is "
                "settled by the next start",
                slot.worker.pid,
            )
    inboxes.stop(max(until - clock.monotonic(), _LAST_WAIT_S))
    lanes.stop(max(until - clock.monotonic(), _LAST_WAIT_S))
