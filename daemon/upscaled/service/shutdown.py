"""The end: when it comes, and that of all threads and children within one limit.

Some may hang and cannot be killed.
"""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from upscaled.clock import Clock
from upscaled.service.events import EventQueue
from upscaled.service.inboxes import Inboxes
from upscaled.service.queue.dispatch import Dispatcher
from upscaled.service.sources.cleanup_lanes import CleanupLanes
from upscaled.watch.spec import InboxView

if TYPE_CHECKING:
    from upscaled.service.daemon import Daemon

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


def is_drained(supervisor: "Daemon", events: EventQueue, views: Sequence[InboxView]) -> bool:
    """Whether all that lay in the inboxes is done, and everybody who is told of it was told."""
    idle = all(view.first_scan_done and not view.settling for view in views)
    names = [rule.name for rule in supervisor.active]
    return (
        idle
        # Before the mailbox is looked at: what it finds is put there.
        and not supervisor.disposer.is_busy
        and events.is_empty
        and not supervisor.dispatcher.flights
        and not supervisor.sources.is_busy
        and not supervisor.herald.is_busy
        and not supervisor.store.ready(names, supervisor.clock.now())
        and not supervisor.store.retries(names, supervisor.clock.now(), ARRIVING_S)
    )


def shut(
    dispatcher: Dispatcher,
    inboxes: Inboxes,
    disposer: CleanupLanes,
    clock: Clock,
    *,
    since: float,
    hear: Callable[[float], None],
) -> None:
    """`hear(timeout_s)` waits for one event and handles it; the end began at `since`."""
    until = since + STOP_LIMIT_S
    dispatcher.kill()
    inboxes.begin_stop()
    while not dispatcher.is_stopped and clock.monotonic() < until:
        hear(until - clock.monotonic())
    for seat in dispatcher.seats:
        if seat.worker is not None:
            _log.error(
                "the worker (pid %d) hangs in the kernel and does not end; what it was at is "
                "settled by the next start",
                seat.worker.pid,
            )
    inboxes.stop(max(until - clock.monotonic(), _LAST_WAIT_S))
    disposer.stop(max(until - clock.monotonic(), _LAST_WAIT_S))
