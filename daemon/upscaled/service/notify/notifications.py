"""Tells others of what ended: the desktop, Prometheus by a file, and commands of the user."""

import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from upscaled.clock import Clock
from upscaled.config.settings import NO_HOOKS
from upscaled.errors import StoreError
from upscaled.job import JobState, Order
from upscaled.outcomes import Done, Outcome
from upscaled.service.configuration import Configuration
from upscaled.service.notify import desktop, metrics
from upscaled.service.notify.hook_events import Listeners
from upscaled.service.notify.hook_runner import HookRunner
from upscaled.service.status.live import live_status
from upscaled.service.status.snapshot import Snapshot
from upscaled.store.views import open_views

_log = logging.getLogger(__name__)

_METRICS_EVERY_S = 15.0
"""As often as Prometheus usually asks."""
_STOP_S = 0.2


class Notifications:
    """Lives in the daemon's main thread; what may take time is done beside it."""

    def __init__(
        self, configuration: Configuration, clock: Clock, *, has_work: Callable[[str], bool]
    ) -> None:
        """`has_work`: whether a rule, by name, has jobs that wait or run."""
        self._configuration = configuration
        self._clock = clock
        self._has_work = has_work
        self._beside = LatestWinsTasks()
        self._batch = desktop.Announcements(clock)
        self._tally = metrics.Tally()
        self._listeners = Listeners()
        self._hooks = HookRunner()
        self._write_at = clock.monotonic()
        self._trouble: str | None = None

    def job_ended(self, order: Order, outcome: Outcome, state: JobState) -> None:
        if state not in {JobState.DONE, JobState.FAILED}:
            return
        self._batch.add(order, outcome)
        result = outcome.result if isinstance(outcome, Done) else None
        output_px = result.width_px * result.height_px if result else 0
        self._tally.add(order.rule, "done" if result else "failed", output_px)
        rule = self._configuration.settings.rule(order.rule)
        for call in self._listeners.ended(rule.hooks if rule else NO_HOOKS, order, outcome):
            self._hooks.submit(call)

    def step(self, snapshot: Snapshot) -> None:
        """Called at least once a second."""
        said = self._batch.take(snapshot.settings.notifications, is_idle=not snapshot.in_flight)
        program = desktop.find_notifier(os.environ) if said else None
        if said is not None and program is not None:
            self._beside.submit("desktop", partial(desktop.announce, program, said))
        self._step_hooks(snapshot)
        file = snapshot.settings.metrics_file
        if file is not None and snapshot.monotonic >= self._write_at:
            self._write_at = snapshot.monotonic + _METRICS_EVERY_S
            self._beside.submit("metrics", self._metrics(file, snapshot))

    def _step_hooks(self, snapshot: Snapshot) -> None:
        settling = {view.root for view in snapshot.inboxes if view.settling}

        def is_idle(name: str) -> bool:
            rule = snapshot.settings.rule(name)
            return settling.isdisjoint(rule.roots if rule else ()) and not self._has_work(name)

        hooks = {rule.name: rule.hooks for rule in snapshot.settings.rules}
        for call in self._listeners.idle(hooks, is_idle=is_idle):
            self._hooks.submit(call)

    @property
    def is_busy(self) -> bool:
        """Whether somebody is still to be told."""
        return self._hooks.is_busy

    @property
    def troubles(self) -> tuple[str, ...]:
        return self._hooks.troubles

    def on_reload(self) -> None:
        """Of hooks that are gone nothing is to be said any more."""
        events = ("done", "failed", "idle")
        self._hooks.keep(
            frozenset(
                f"on_{event} of rule {rule.name}"
                for rule in self._configuration.settings.rules
                for event in events
                if getattr(rule.hooks, f"on_{event}")
            )
        )

    def _metrics(self, file: Path, snapshot: Snapshot) -> Callable[[], None]:
        """What the main thread knows is taken now; the database is read later, beside it."""
        live, ended = live_status(snapshot), self._tally.ended()

        def write() -> None:
            try:
                with open_views(snapshot.store) as views:
                    overview = views.overview(time.time(), most=0)
                metrics.write(file, metrics.render(live, overview, ended, snapshot.started_at))
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
        self._beside.stop(_STOP_S)


LatestWinsTask = Callable[[], None]


class LatestWinsTasks:
    """A thread for them. Of each kind only the newest waits, so nothing piles up."""

    def __init__(self) -> None:
        self._due: dict[str, LatestWinsTask] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)
        self._thread.start()

    def submit(self, kind: str, task: LatestWinsTask) -> None:
        """Never blocks. `task` takes the place of one of its kind that was not begun yet."""
        with self._changed:
            self._due[kind] = task
            self._changed.notify()

    def stop(self, timeout_s: float) -> None:
        """Do what is due; whatever takes longer is left alone."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (task := self._next()) is not None:
            try:
                task()
            except Exception:  # noqa: BLE001 (none of them is worth the daemon)
                _log.exception("a task failed")

    def _next(self) -> LatestWinsTask | None:
        with self._changed:
            while not self._due and not self._stopping:
                self._changed.wait()
            return self._due.pop(next(iter(self._due))) if self._due else None
