"""A device and the worker that has it: started, fed, listened to, laid to rest, started again."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from upscaled import log
from upscaled.clock import Clock
from upscaled.config.settings import MAX_ATTEMPTS, RuleSettings
from upscaled.filesystem.unresponsive import holds_any_thread
from upscaled.job import Order
from upscaled.models.terms import terms
from upscaled.outcomes import Result
from upscaled.service.workers.executor import Executor
from upscaled.worker.messages import (
    Beat,
    Fetching,
    FromWorker,
    Progressed,
    Resident,
    Run,
    Stop,
    ToWorker,
    Unusable,
)

_log = logging.getLogger(__name__)

STALL_S = 600.0
"""No word of any job for so long: the worker hangs. A tile takes seconds on the slowest CPU."""
HELD_S = 90.0
"""The same where the kernel holds one of its threads: the disk of a source or result is dead …"""
_SLOWEST_BYTES_S = 1e6
"""… or as slow as this."""
FROZEN_S = 120.0
"""No beat for so long: the whole worker is stopped. It sends one each second."""
_DEATH_S = 30.0
"""A killed worker that is still there after so long hangs in the kernel."""
START_S = 120.0
"""Until a worker's first sign of life; imports take seconds on a cold disk."""
_RESTART_MOST_S = 30.0
_QUEUED = "queued"
_UNBEGUN = frozenset((_QUEUED, "decode", "ready", "load"))
"""Stages of a job at which nothing is lost with the worker."""


@dataclass(slots=True)
class InFlight:
    """A job in the worker."""

    order: Order
    suspect: bool
    since: float
    timeout_s: float | None = None
    max_attempts: int = MAX_ATTEMPTS
    first_since: float | None = None
    """Since when it is the oldest in the worker, which alone waits for nobody."""
    stage: str = _QUEUED
    stage_since: float = 0.0
    done: int = 0
    total: int = 1
    result_px: int = 0
    content_sha256: str | None = None
    announced: Result | None = None
    """What it was about to publish when it was last heard of."""


@dataclass(slots=True)
class WorkerReport:
    """What the worker said of itself, for `status`."""

    resident: Resident | None = None
    fetching: Fetching | None = None
    unusable: dict[str, Unusable] = field(default_factory=dict)
    beat: Beat | None = None


class WorkerSlot:
    def __init__(
        self,
        device: str,
        start_worker: Callable[[str], Executor],
        clock: Clock,
        keep_alive_s: float | None,
    ) -> None:
        """`keep_alive_s`: an idle worker ends after so long, which frees the device."""
        self.device = device
        self.worker: Executor | None = None
        self.state = WorkerReport()
        self.flights: dict[int, InFlight] = {}
        self.last_death: str | None = None
        """What became of the last worker, as it follows "the worker": `died: …`, `hung: …`."""
        self.stopping = False
        self.overdue: int | None = None
        """The job whose time was over, when the worker was killed for it."""
        self.held: str | None = None
        """What held up the worker and is no job's fault, when it was killed for it."""
        self._start_worker = start_worker
        self._clock = clock
        self.keep_alive_s = keep_alive_s
        self._deaths = 0
        self._killed_at: float | None = None
        self._start_at = self._heard_at = self._used_at = self._beat_at = clock.monotonic()
        self._resting = False
        self._renewing = False
        self.is_retiring = False
        """Its device is not wanted any more."""
        self._killed_for: str | None = None

    @property
    def takes_work(self) -> bool:
        """Nothing is claimed before the worker lives: an attempt must not go to a bad start."""
        return self.worker is not None and self.state.beat is not None and not self._is_ending

    @property
    def _is_ending(self) -> bool:
        return self.stopping or self._resting or self._renewing or self.is_retiring

    @property
    def is_vacated(self) -> bool:
        """Whether it can be taken away."""
        return self.is_retiring and self.worker is None

    @property
    def restart_in_s(self) -> float | None:
        """Until a dead worker is started again; None while one runs, or none is needed."""
        if self.worker is not None or self._resting or self.is_retiring:
            return None
        return max(self._start_at - self._clock.monotonic(), 0.0)

    @property
    def is_stuck(self) -> bool:
        """Whether the worker was killed and does not go."""
        killed_at = self._killed_at
        return killed_at is not None and self._clock.monotonic() - killed_at >= _DEATH_S

    def step(self, *, work_waits: Callable[[], bool]) -> None:
        """Start, kill or retire the worker where it is due."""
        now = self._clock.monotonic()
        if self.stopping or self.is_vacated:
            return
        if self.worker is None:
            if now >= self._start_at and (not self._resting or work_waits()):
                self._start()
        elif self.state.beat is not None and now - self._beat_at > FROZEN_S:
            self._beat_at = now
            self._end_it(self.worker, f"it gave no sign of life for {FROZEN_S / 60:.0f} min")
        elif self.flights:
            self._used_at = now
            self._mind_time(self.worker, now)
        elif self.state.beat is None and now - self._heard_at > START_S:
            self._heard_at = now
            self._end_it(self.worker, f"it gave no sign of life for {START_S:.0f} s")
        elif self._renewing or self.is_retiring:
            self._begin_rest(self.worker)
        elif self._is_idle_at(now) and not work_waits():
            _log.info("idle for %.0f s: the model is unloaded", now - self._used_at)
            self._begin_rest(self.worker)

    def _begin_rest(self, worker: Executor) -> None:
        if not self._resting:
            self._resting = True
            worker.send(Stop())

    def _mind_time(self, worker: Executor, now: float) -> None:
        first = next(iter(self.flights.values()))
        if first.first_since is None or first.stage == "load" or self.state.fetching is not None:
            # The time of a job is not what the model takes to be fetched and loaded.
            first.first_since = now
        late = first.timeout_s is not None and now - first.first_since > first.timeout_s
        if late and self.overdue is None:
            _log.error("%s is not done in time: the worker is killed", first.order.source)
            self.overdue = first.order.job_id
            self._kill(worker)
        elif now - self._heard_at > self._held_limit_s and holds_any_thread(worker.pid):
            self._heard_at = now
            self.held = "a disk, or the device, does not answer"
            self._end_it(worker, self.held)
        elif now - self._heard_at > STALL_S:
            self._heard_at = now
            self._end_it(worker, f"it made no progress for {STALL_S / 60:.0f} min")

    @property
    def _held_limit_s(self) -> float:
        marks = [flight.order.fingerprint for flight in self.flights.values()]
        largest = max((mark.size_bytes for mark in marks if mark is not None), default=0)
        # A result has sixteen times the pixels.
        return min(HELD_S + 16 * largest / _SLOWEST_BYTES_S, STALL_S)

    def _end_it(self, worker: Executor, why: str) -> None:
        _log.error("the worker hangs: %s; it is killed", why)
        self._killed_for = f"hung: {why}, and was ended"
        self._kill(worker)

    def _kill(self, worker: Executor) -> None:
        if self._killed_at is None:
            self._killed_at = self._clock.monotonic()
        worker.kill()

    def _is_idle_at(self, now: float) -> bool:
        return (
            self.keep_alive_s is not None
            and not self._resting
            and self.state.fetching is None
            and now - self._used_at >= self.keep_alive_s
        )

    def _start(self) -> None:
        self.state = WorkerReport()
        self._resting = self._renewing = False
        self._heard_at = self._used_at = self._clock.monotonic()
        try:
            self.worker = self._start_worker(self.device)
        except OSError as error:
            # No memory or no process number to be had now.
            self._restart_later(f"cannot be started: {error}")
        else:
            _log.info("worker started (pid %d)", self.worker.pid)

    def fly(self, order: Order, rule: RuleSettings, *, suspect: bool) -> None:
        """Give it a job."""
        now = self._clock.monotonic()
        if not self.flights:
            self._heard_at = now
        order = replace(order, probe=rule.when.needs_image_info)
        self.flights[order.job_id] = InFlight(
            order, suspect, now, rule.timeout_s, rule.max_attempts
        )
        self.say(Run(order))

    def say(self, message: ToWorker) -> None:
        if self.worker is not None:
            self.worker.send(message)

    def hear(self, message: FromWorker) -> None:
        """Keep what it says of itself and of its progress."""
        match message:
            case Beat():
                self.state.beat = message
                self._beat_at = self._clock.monotonic()
                return
            case Resident():
                self._settle_model(message)
            case Fetching():
                if self._is_news(message):
                    _log.info("model %s is fetched, once; %s", message.model, terms(message.model))
                self.state.fetching = message
                self._used_at = self._clock.monotonic()
            case Unusable(model, reason):
                self.state.fetching = None
                self.state.unusable[model] = message
                _log.error("model %s cannot be used: %s", model, reason)
            case Progressed():
                self._progress(message)
            case _:
                pass
        self._heard_at = self._clock.monotonic()

    def _is_news(self, told: Fetching) -> bool:
        """A file of the user's own is only read."""
        before = self.state.fetching
        return not told.model.startswith("/") and (before is None or before.model != told.model)

    def _progress(self, told: Progressed) -> None:
        if (flight := self.flights.get(told.job_id)) is not None:
            if flight.stage != told.stage:
                flight.stage, flight.stage_since = told.stage, self._clock.monotonic()
            flight.done, flight.total = told.done, told.total
            flight.result_px = told.result_px or flight.result_px

    def _settle_model(self, resident: Resident) -> None:
        self.state.resident = resident
        self.state.fetching = None
        self.state.unusable.pop(resident.model, None)
        _log.info(
            "model %s (%s, %d×) is ready on %s in %s after %.1f s",
            resident.model,
            resident.architecture,
            resident.scale,
            resident.device,
            resident.precision,
            resident.load_s,
        )

    def forgive(self) -> None:
        """Nobody listened for a while: what was counted begins anew."""
        self._heard_at = self._beat_at = self._clock.monotonic()
        for flight in self.flights.values():
            flight.first_since = None

    def succeed(self) -> None:
        """A job came back done: the worker is sound."""
        self._deaths = 0

    def vacate(self, reason: str) -> bool:
        """The worker is gone; whether it was meant to go. Why stands in `last_death`."""
        self.worker = None
        why, self._killed_for = self._killed_for or f"died: {reason}", None
        self.state.beat = None
        self._killed_at = None
        renewed, self._renewing = self._renewing, False
        if self.stopping or self._resting:
            self._resting = self._resting and not renewed
            return True
        if self.overdue is not None or self.held is not None:
            self._start_at = self._clock.monotonic()
            return True
        self._restart_later(why)
        return False

    def _restart_later(self, reason: str) -> None:
        # The first restart is at once; a worker that dies at every start must not spin.
        delay_s = min(2.0 ** min(self._deaths, 10) - 1, _RESTART_MOST_S)
        self._deaths += 1
        self.last_death = reason
        self._start_at = self._clock.monotonic() + delay_s
        _log.error(
            "the worker %s; it starts again in %.0f s",
            reason,
            delay_s,
            extra=log.fields(log.Event.WORKER_DIED),
        )

    def renew(self) -> None:
        """Start another worker once this one has done what it has."""
        self._renewing = self.worker is not None

    def retire(self) -> None:
        """End for good once the worker has done what it has."""
        self.is_retiring = True

    def stop(self) -> None:
        """Ask the worker to end at its next tile; one that has begun none ends at once.

        While it imports or loads a model, which takes seconds, it hears nothing.
        """
        self.stopping = True
        self.say(Stop())
        if self.worker and all(flight.stage in _UNBEGUN for flight in self.flights.values()):
            self._kill(self.worker)

    def kill(self) -> None:
        self.stopping = True
        if self.worker is not None:
            self._kill(self.worker)
