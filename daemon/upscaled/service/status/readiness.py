"""When systemd is told that the daemon is ready, what it does, and that it still makes progress."""

import logging
from dataclasses import replace

from upscaled.clock import Clock
from upscaled.service.status.snapshot import Snapshot
from upscaled.service.status.summary import is_scanned, summarise
from upscaled.service.status.systemd_notify import Notifier

_log = logging.getLogger(__name__)

BEAT_LIMIT_S = 60.0
"""An inbox shows itself every five seconds, and between two folders of a scan."""
NEWS_LIMIT_S = 180.0
"""A start that says nothing new for so long hangs; systemd may end it."""
_EXTEND_S = 60.0
_STOP_S = 30.0
"""A result that is being committed is not cut off: the disk may be slow."""
_EXTEND_EVERY_S = 10.0
_SPEAK_EVERY_S = 2.0


class Readiness:
    """The scheduler is the thread that calls `tell`: where it hangs, nothing is told."""

    def __init__(self, notifier: Notifier, clock: Clock) -> None:
        self._notifier = notifier
        self._clock = clock
        self.is_ready = False
        self._is_stopping = False
        self._said = ""
        self._news_at = clock.monotonic()
        self._speak_at = self._extend_at = self._watchdog_at = 0.0
        self._stuck: str | None = None

    def tell(self, snapshot: Snapshot) -> None:
        """Called at least once a second."""
        now = snapshot.monotonic
        if not self._is_stopping:
            if not self.is_ready and _is_prepared(snapshot):
                self.ready(snapshot)
            if not self.is_ready:
                self._ask_for_time(now)
            self._speak(snapshot)
        self._feed_watchdog(now, stuck(snapshot))

    def ready(self, snapshot: Snapshot) -> None:
        """The start, or a reload, is complete."""
        self.is_ready = True
        self._said = summarise(replace(snapshot, is_ready=True))
        self._notifier.ready(self._said)

    def stopping(self) -> None:
        """The end has begun: what is under way is given back, or published."""
        self._is_stopping = True
        self._notifier.stopping("Stopping at the end of the tile")
        self._notifier.extend_timeout(_STOP_S)

    def _ask_for_time(self, now: float) -> None:
        """While the start gets on: a model is fetched, or an inbox of a million files scanned."""
        if now >= self._extend_at and now - self._news_at < NEWS_LIMIT_S:
            self._extend_at = now + _EXTEND_EVERY_S
            self._notifier.extend_timeout(_EXTEND_S)

    def _speak(self, snapshot: Snapshot) -> None:
        now = snapshot.monotonic
        if now < self._speak_at:
            return
        self._speak_at = now + _SPEAK_EVERY_S
        text = summarise(replace(snapshot, is_ready=self.is_ready))
        if text != self._said:
            self._said = text
            self._news_at = now
            self._notifier.status(text)

    def _feed_watchdog(self, now: float, why: str | None) -> None:
        if why != self._stuck:
            self._stuck = why
            if why is not None:
                _log.error("%s: systemd's watchdog will start the daemon again", why)
        interval = self._notifier.watchdog_interval_s
        if interval is not None and now >= self._watchdog_at and why is None:
            self._watchdog_at = now + interval
            self._notifier.watchdog()


def stuck(snapshot: Snapshot) -> str | None:
    """What makes no progress any more; None: all do."""
    for view in snapshot.inboxes:
        silent = snapshot.monotonic - view.beat_monotonic >= BEAT_LIMIT_S
        # One dead disk is told of in `status`; to start again would stop all the other rules too.
        if not view.alive or (silent and not view.is_held):
            return f"the thread that watches {view.root} hangs"
    stuck_workers = (worker for worker in snapshot.workers if worker.is_stuck)
    return next(
        (f"the worker of {worker.device} cannot be killed" for worker in stuck_workers), None
    )


def _is_prepared(snapshot: Snapshot) -> bool:
    """The first scan is over, and each model was loaded or found unusable."""
    checked = any(worker.report.resident or worker.report.unusable for worker in snapshot.workers)
    return (checked or not snapshot.needs_model) and all(map(is_scanned, snapshot.inboxes))
