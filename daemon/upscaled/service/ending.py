"""The end of all threads and children, within one limit: some may hang and cannot be killed."""

import logging
from collections.abc import Callable

from upscaled.clock import Clock
from upscaled.service.dispatch import Dispatcher
from upscaled.service.inboxes import Inboxes
from upscaled.service.sources import Disposer

_log = logging.getLogger(__name__)

STOP_GRACE_S = 4.0
"""For the worker to reach the end of a tile."""
STOP_LIMIT_S = 4.8
"""For all of the end: people wait five seconds."""
_LAST_WAIT_S = 0.05


def shut(
    dispatcher: Dispatcher,
    inboxes: Inboxes,
    disposer: Disposer,
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
