"""Tells others of what ended: the desktop, and Prometheus by a file."""

import logging
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from upscaled.errors import StoreError
from upscaled.job import Done, Order, Outcome
from upscaled.service import desktop, metrics
from upscaled.service.errands import Errands
from upscaled.service.live import live_status
from upscaled.store.views import open_views

if TYPE_CHECKING:
    from upscaled.service.supervisor import Supervisor

_log = logging.getLogger(__name__)

_METRICS_EVERY_S = 15.0
"""As often as Prometheus usually asks."""
_STOP_S = 0.2


class Herald:
    """Lives in the supervisor's main thread; what may take time is an errand."""

    def __init__(self, supervisor: "Supervisor") -> None:
        self._supervisor = supervisor
        self._errands = Errands()
        self._batch = desktop.Batch(supervisor.clock)
        self._tally = metrics.Tally()
        self._write_at = supervisor.clock.monotonic()
        self._trouble: str | None = None

    def ended(self, order: Order, outcome: Outcome) -> None:
        self._batch.add(order, outcome)
        result = outcome.result if isinstance(outcome, Done) else None
        output_px = result.width_px * result.height_px if result else 0
        self._tally.add(order.rule, "done" if result else "failed", output_px)

    def step(self) -> None:
        """Called at least once a second."""
        supervisor = self._supervisor
        is_idle = not supervisor.dispatcher.flights
        said = self._batch.take(supervisor.settings.notifications, is_idle=is_idle)
        program = desktop.find_notifier(os.environ) if said else None
        if said is not None and program is not None:
            self._errands.submit("desktop", partial(desktop.announce, program, said))
        now = supervisor.clock.monotonic()
        file = supervisor.settings.metrics_file
        if file is not None and now >= self._write_at:
            self._write_at = now + _METRICS_EVERY_S
            self._errands.submit("metrics", self._metrics(file))

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
        self._errands.stop(_STOP_S)
