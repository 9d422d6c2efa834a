"""Tells others of what ended: the desktop, Prometheus by a file, and commands of the user."""

import logging
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from upscaled.config.settings import NO_HOOKS
from upscaled.errors import StoreError
from upscaled.job import Order
from upscaled.outcomes import Done, Outcome
from upscaled.service.notify import desktop, metrics
from upscaled.service.notify.hook_events import Listeners
from upscaled.service.notify.hook_runner import HookRunner
from upscaled.service.notify.latest_wins import LatestWinsTasks
from upscaled.service.status.live import live_status
from upscaled.store.views import open_views

if TYPE_CHECKING:
    from upscaled.service.daemon import Daemon

_log = logging.getLogger(__name__)

_METRICS_EVERY_S = 15.0
"""As often as Prometheus usually asks."""
_STOP_S = 0.2


class Notifications:
    """Lives in the supervisor's main thread; what may take time is an errand."""

    def __init__(self, supervisor: "Daemon") -> None:
        self._supervisor = supervisor
        self._errands = LatestWinsTasks()
        self._batch = desktop.Announcements(supervisor.clock)
        self._tally = metrics.Tally()
        self._listeners = Listeners()
        self._hooks = HookRunner()
        self._write_at = supervisor.clock.monotonic()
        self._trouble: str | None = None

    def ended(self, order: Order, outcome: Outcome) -> None:
        self._batch.add(order, outcome)
        result = outcome.result if isinstance(outcome, Done) else None
        output_px = result.width_px * result.height_px if result else 0
        self._tally.add(order.rule, "done" if result else "failed", output_px)
        rule = self._supervisor.settings.rule(order.rule)
        for call in self._listeners.ended(rule.hooks if rule else NO_HOOKS, order, outcome):
            self._hooks.submit(call)

    def step(self) -> None:
        """Called at least once a second."""
        supervisor = self._supervisor
        is_idle = not supervisor.dispatcher.flights
        said = self._batch.take(supervisor.settings.notifications, is_idle=is_idle)
        program = desktop.find_notifier(os.environ) if said else None
        if said is not None and program is not None:
            self._errands.submit("desktop", partial(desktop.announce, program, said))
        self._step_hooks()
        now = supervisor.clock.monotonic()
        file = supervisor.settings.metrics_file
        if file is not None and now >= self._write_at:
            self._write_at = now + _METRICS_EVERY_S
            self._errands.submit("metrics", self._metrics(file))

    def _step_hooks(self) -> None:
        hooks = {rule.name: rule.hooks for rule in self._supervisor.settings.rules}
        for call in self._listeners.idle(hooks, is_idle=self._is_idle):
            self._hooks.submit(call)

    def _is_idle(self, name: str) -> bool:
        rule = self._supervisor.settings.rule(name)
        roots = rule.roots if rule else ()
        views = self._supervisor.inboxes.views()
        settles = any(view.settling for view in views if view.root in roots)
        return not settles and not self._supervisor.store.has_work(name)

    @property
    def is_busy(self) -> bool:
        """Whether somebody is still to be told."""
        return self._hooks.is_busy

    @property
    def troubles(self) -> tuple[str, ...]:
        return self._hooks.troubles

    def reloaded(self) -> None:
        """Of hooks that are gone nothing is to be said any more."""
        events = ("done", "failed", "idle")
        self._hooks.keep(
            frozenset(
                f"on_{event} of rule {rule.name}"
                for rule in self._supervisor.settings.rules
                for event in events
                if getattr(rule.hooks, f"on_{event}")
            )
        )

    def _metrics(self, file: Path) -> Callable[[], None]:
        """What the main thread knows is taken now; the database is read later, beside it."""
        supervisor = self._supervisor
        live, ended = live_status(supervisor), self._tally.ended()
        started_at, store = supervisor.started_at, supervisor.dirs.store

        def write() -> None:
            try:
                with open_views(store) as views:
                    overview = views.overview(time.time(), most=0)
                metrics.write(file, metrics.render(live, overview, ended, started_at))
            except (OSError, StoreError) as error:
                self._complain(f"the metrics cannot be written to {file}: {error}")
            else:
                self._trouble = None

        return write

    def _complain(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            _log.warning("%s", trouble)

    def stop(self) -> None:
        self._hooks.stop(_STOP_S)
        self._errands.stop(_STOP_S)
