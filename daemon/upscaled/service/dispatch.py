"""Jobs to the worker and their outcomes to the store. Lives in the supervisor's main thread."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from upscaled import log
from upscaled.clock import Clock
from upscaled.errors import ExitCode
from upscaled.job import Changed, Done, Failed, Interrupted, JobState, Order, Outcome, Snoozed
from upscaled.plain import printable
from upscaled.service import scheduler
from upscaled.service.executor import Died, Executor
from upscaled.store.jobs import Ready, Store
from upscaled.worker.messages import (
    Announced,
    Beat,
    Committed,
    Fetching,
    Finished,
    FromWorker,
    Identified,
    Learned,
    Progressed,
    Resident,
    Run,
    Stop,
    Unusable,
    Verdict,
)

_log = logging.getLogger(__name__)
STALL_S = 600.0
"""No word of any job for so long: the worker hangs. A tile takes seconds on the slowest CPU."""
_RESTART_MOST_S = 30.0


@dataclass(slots=True)
class Flight:
    """A job in the worker."""

    order: Order
    suspect: bool
    since: float
    stage: str = "queued"
    done: int = 0
    total: int = 1


@dataclass(slots=True)
class WorkerState:
    """What the worker said of itself, for `status`."""

    resident: Resident | None = None
    fetching: Fetching | None = None
    unusable: dict[str, Unusable] = field(default_factory=dict)
    beat: Beat | None = None


class Dispatcher:
    def __init__(
        self,
        store: Store,
        clock: Clock,
        owner: str,
        start_worker: Callable[[], Executor],
        on_end: Callable[[Order, Outcome, JobState], None],
    ) -> None:
        """`on_end` is called after each commit: the source is next."""
        self._store = store
        self._clock = clock
        self._owner = owner
        self._start_worker = start_worker
        self._on_end = on_end
        self._worker: Executor | None = None
        self._flights: dict[int, Flight] = {}
        self._last_rules: list[str] = []
        self._deaths = 0
        self._start_at = clock.monotonic()
        self._heard_at = clock.monotonic()
        self._stopping = False
        self.last_death: str | None = None
        self.state = WorkerState()

    @property
    def flights(self) -> Sequence[Flight]:
        return tuple(self._flights.values())

    @property
    def worker_pid(self) -> int | None:
        return None if self._worker is None else self._worker.pid

    @property
    def restart_in_s(self) -> float | None:
        """Until a dead worker is started again; None while one runs."""
        if self._worker is not None:
            return None
        return max(self._start_at - self._clock.monotonic(), 0.0)

    def step(self, rules: Sequence[str]) -> None:
        """Start the worker where it is due, and give it what it can take."""
        now = self._clock.monotonic()
        if self._stopping:
            return
        if self._worker is None and now >= self._start_at:
            self._start()
        if self._worker is None:
            return
        if self._flights and now - self._heard_at > STALL_S:
            _log.error("no word from the worker for %.0f s: it is killed", now - self._heard_at)
            self._heard_at = now
            self._worker.kill()
            return
        # Nothing is claimed before the worker lives: an attempt must not go to a bad start.
        while self.state.beat is not None and (ready := self._choose(rules)) is not None:
            self._claim(ready)

    def _start(self) -> None:
        self.state = WorkerState()
        self._heard_at = self._clock.monotonic()
        self._worker = self._start_worker()
        _log.info("worker started (pid %d)", self._worker.pid)

    def _choose(self, rules: Sequence[str]) -> Ready | None:
        flying = [scheduler.Flying(f.order.rule, f.suspect) for f in self._flights.values()]
        if len(flying) >= scheduler.DEPTH:
            return None
        ready = self._store.ready(rules, self._clock.now())
        return scheduler.choose(ready, flying, self._last_rules)

    def _claim(self, ready: Ready) -> None:
        order = self._store.claim(ready, self._owner, self._clock.now())
        if order is None or self._worker is None:
            return
        if not self._flights:
            self._heard_at = self._clock.monotonic()
        self._flights[order.job_id] = Flight(order, ready.suspect, self._clock.monotonic())
        if order.rule in self._last_rules:
            self._last_rules.remove(order.rule)
        self._last_rules.append(order.rule)
        self._worker.send(Run(order))

    def hear(self, executor: Executor, message: FromWorker) -> None:
        if executor is not self._worker:
            return
        match message:
            case Beat():
                self.state.beat = message
                return
            case Resident():
                self._settle_model(message)
            case Fetching():
                self.state.fetching = message
            case Unusable(model, reason):
                self.state.fetching = None
                self.state.unusable[model] = message
                _log.error("model %s cannot be used: %s", model, reason)
            case Learned(values):
                for key, value in values.items():
                    self._store.learn(key, value, self._clock.now())
            case _:
                self._hear_of_job(executor, message)
        self._heard_at = self._clock.monotonic()

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

    def _hear_of_job(self, executor: Executor, message: Any) -> None:
        flight = self._flights.get(message.job_id)
        if flight is None:
            _log.error("the worker spoke of job %s, which it does not have", message.job_id)
            return
        match message:
            case Progressed(_, stage, done, total):
                flight.stage, flight.done, flight.total = stage, done, total
            case Identified(job_id, sha256):
                executor.send(Verdict(job_id, self._store.identify(job_id, sha256)))
            case Announced(job_id, result):
                self._store.publishing(job_id, result)
                executor.send(Committed(job_id))
            case Finished(job_id, outcome):
                self._end(job_id, outcome)

    def _end(self, job_id: int, outcome: Outcome) -> None:
        flight = self._flights.pop(job_id)
        state = self._store.record(job_id, outcome, self._clock.now())
        if isinstance(outcome, Done):
            self._deaths = 0
        _tell(flight.order, outcome, state)
        self._on_end(flight.order, outcome, state)

    def bury(self, died: Died) -> None:
        """The worker is gone: its jobs go back, and it is started again."""
        if died.executor is not self._worker:
            return
        self._worker = None
        self.state.beat = None
        jobs = list(self._flights)
        if self._stopping or died.exit_code == ExitCode.TEMPFAIL:
            # Ours to end, or the device's fault: no job's.
            for job_id in jobs:
                self._end(job_id, Interrupted())
        else:
            self._blame(jobs, died.reason)
        if not self._stopping:
            self._restart_later(died.reason)

    def _blame(self, jobs: Sequence[int], reason: str) -> None:
        flights = {job_id: self._flights.pop(job_id) for job_id in jobs}
        poison = self._store.died(jobs, f"the worker died: {reason}", self._clock.now())
        for job_id in poison:
            order = flights[job_id].order
            outcome = Failed("it kills the worker")
            _tell(order, outcome, JobState.FAILED)
            self._on_end(order, outcome, JobState.FAILED)

    def _restart_later(self, reason: str) -> None:
        # The first restart is at once; a worker that dies at every start must not spin.
        delay_s = min(2.0**self._deaths - 1, _RESTART_MOST_S)
        self._deaths += 1
        self.last_death = reason
        self._start_at = self._clock.monotonic() + delay_s
        _log.error(
            "the worker died: %s; it starts again in %.0f s",
            reason,
            delay_s,
            extra=log.fields(log.Event.WORKER_DIED),
        )

    def begin_stop(self) -> None:
        """Ask the worker to end at its next tile; it is gone when `is_stopped`."""
        self._stopping = True
        if self._worker is not None:
            self._worker.send(Stop())

    def kill(self) -> None:
        self._stopping = True
        if self._worker is not None:
            self._worker.kill()

    @property
    def is_stopped(self) -> bool:
        return self._worker is None


def _tell(order: Order, outcome: Outcome, state: JobState) -> None:
    name = printable(str(order.source))
    match outcome:
        case Done(result):
            _log.info(
                "done: %s → %s (%d×%d px)",
                name,
                printable(str(result.path)),
                result.width_px,
                result.height_px,
                extra=_fields(log.Event.JOB_DONE, order),
            )
        case Failed(reason):
            _log.error("failed: %s: %s", name, reason, extra=_fields(log.Event.JOB_FAILED, order))
        case Snoozed(reason, whole_rule):
            what = f"rule {order.rule} waits" if whole_rule else f"{name} waits"
            _log.warning("%s: %s", what, reason, extra=_fields(log.Event.RULE_PAUSED, order))
        case Interrupted():
            _log.info("interrupted: %s; its attempt is given back", name)
        case Changed():
            _log.info("%s changed while it was worked on: it has to settle again", name)
        case _:
            event = log.Event.JOB_FAILED if state is JobState.FAILED else log.Event.JOB_RETRIED
            _log.warning("%s: %s (%s)", name, outcome, state, extra=_fields(event, order))


def _fields(event: log.Event, order: Order) -> dict[str, str]:
    return log.fields(event, rule=order.rule, job=order.job_id, file=order.source)
