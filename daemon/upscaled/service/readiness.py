"""When systemd is told that the daemon is ready, and that it still makes progress."""

from collections.abc import Callable, Sequence

from upscaled.clock import Clock
from upscaled.service.notify import Notifier
from upscaled.service.seat import WorkerState
from upscaled.watch.spec import InboxView

_BEAT_LIMIT_S = 60.0
_FETCH_S = 60.0
"""What systemd is asked for again and again while a model is being fetched."""


class Readiness:
    def __init__(self, notifier: Notifier, clock: Clock, describe: Callable[[], str]) -> None:
        """`describe` gives the line for `systemctl status`."""
        self._notifier = notifier
        self._clock = clock
        self._describe = describe
        self._ready = False
        self._watchdog_at = 0.0

    def tell(
        self, views: Sequence[InboxView], states: Sequence[WorkerState], *, needs_model: bool
    ) -> None:
        """Called at least once a second."""
        if not self._ready and self._is_prepared(views, states, needs_model=needs_model):
            self._ready = True
            self._notifier.ready(self._describe())
        interval = self._notifier.watchdog_interval_s
        now = self._clock.monotonic()
        healthy = all(v.alive and now - v.beat_monotonic < _BEAT_LIMIT_S for v in views)
        if interval is not None and now >= self._watchdog_at and healthy:
            self._watchdog_at = now + interval
            self._notifier.watchdog()
            if self._ready:
                self._notifier.status(self._describe())

    def _is_prepared(
        self, views: Sequence[InboxView], states: Sequence[WorkerState], *, needs_model: bool
    ) -> bool:
        """The first scan is over, and each model was loaded or found unusable."""
        if any(state.fetching is not None for state in states):
            self._notifier.extend_timeout(_FETCH_S)
        checked = any(state.resident or state.unusable for state in states)
        return (checked or not needs_model) and all(view.first_scan_done for view in views)
