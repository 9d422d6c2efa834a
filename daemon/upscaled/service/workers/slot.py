"""A device's place for a worker: started, fed, listened to, and started again when it dies."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from upscaled import log
from upscaled.clock import Clock
from upscaled.config.settings import RuleSettings
from upscaled.filesystem.unresponsive import holds_any_thread
from upscaled.job import Order
from upscaled.service.workers.executor import Executor
from upscaled.service.workers.in_flight import InFlight
from upscaled.service.workers.slot_state import SlotEvent, SlotState, following, was_told_to_end
from upscaled.service.workers.worker_report import WorkerReport
from upscaled.worker.messages import Beat, Fetching, FromWorker, Progressed, Run, Stop, ToWorker

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


@dataclass(frozen=True, slots=True)
class _Kill:
    """Why and when the worker was killed."""

    at: float
    why: str | None = None
    """As it follows "the worker"; None: it was to go anyway."""
    overdue: int | None = None
    held: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerExit:
    """What the end of a worker means for the jobs that it had."""

    was_meant: bool
    """It was told to go, or was ended for what stands below: no other job is to blame."""
    overdue: int | None = None
    """The job whose time was over."""
    held: str | None = None
    """What held up the worker and is no job's fault."""


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
        self.keep_alive_s = keep_alive_s
        self.state = SlotState.ABSENT
        self.worker: Executor | None = None
        self.report = WorkerReport()
        self.in_flight: dict[int, InFlight] = {}
        self.last_death: str | None = None
        """What became of the last worker, as it follows "the worker": `died: …`, `hung: …`."""
        self._start_worker = start_worker
        self._clock = clock
        self._deaths = 0
        self._kill: _Kill | None = None
        self._start_at = self._heard_at = self._used_at = self._beat_at = clock.monotonic()

    @property
    def takes_work(self) -> bool:
        """Nothing is claimed before the worker lives: an attempt must not go to a bad start."""
        return self.state is SlotState.READY

    @property
    def is_removed(self) -> bool:
        return self.state is SlotState.REMOVED

    @property
    def is_leaving(self) -> bool:
        """Whether its device is not wanted any more."""
        return self.state in {
            SlotState.REMOVING,
            SlotState.ENDING_FOR_REMOVAL,
            SlotState.REMOVED,
        }

    @property
    def restart_in_s(self) -> float | None:
        """Until a dead worker is started again; None while one runs, or none is needed."""
        if self.state is not SlotState.ABSENT:
            return None
        return max(self._start_at - self._clock.monotonic(), 0.0)

    @property
    def is_stuck(self) -> bool:
        """Whether the worker was killed and does not go."""
        return self._kill is not None and self._clock.monotonic() - self._kill.at >= _DEATH_S

    def step(self, *, work_waits: Callable[[], bool]) -> None:
        """Start, kill or end the worker where it is due."""
        now = self._clock.monotonic()
        if self.state in {SlotState.STOPPING, SlotState.REMOVED}:
            return
        if self.worker is None:
            if now >= self._start_at and (self.state is SlotState.ABSENT or work_waits()):
                self._start()
        elif self.report.beat is not None and now - self._beat_at > FROZEN_S:
            self._beat_at = now
            self._hung(self.worker, f"it gave no sign of life for {FROZEN_S / 60:.0f} min")
        elif self.in_flight:
            self._used_at = now
            self._check_deadlines(self.worker, now)
        elif self.report.beat is None and now - self._heard_at > START_S:
            self._heard_at = now
            self._hung(self.worker, f"it gave no sign of life for {START_S:.0f} s")
        elif self.state in {SlotState.RESTARTING, SlotState.REMOVING}:
            self._tell_to_end(self.worker)
        elif self._is_idle_at(now) and not work_waits():
            _log.info("idle for %.0f s: the model is unloaded", now - self._used_at)
            self._tell_to_end(self.worker)

    def _on(self, event: SlotEvent) -> None:
        self.state = following(self.state, event)

    def _tell_to_end(self, worker: Executor) -> None:
        self._on(SlotEvent.TOLD_TO_END)
        worker.send(Stop())

    def _check_deadlines(self, worker: Executor, now: float) -> None:
        first = next(iter(self.in_flight.values()))
        if first.first_since is None or first.stage == "load" or self.report.fetching is not None:
            # The time of a job is not what the model takes to be fetched and loaded.
            first.first_since = now
        silent_s = now - self._heard_at
        late = first.timeout_s is not None and now - first.first_since > first.timeout_s
        if late and self._kill is None:
            _log.error("%s is not done in time: the worker is killed", first.order.source)
            self._end(worker, _Kill(now, overdue=first.order.job_id))
        elif silent_s > self._held_limit_s and holds_any_thread(worker.pid):
            self._heard_at = now
            held = "a disk, or the device, does not answer"
            self._hung(worker, held, held=held)
        elif silent_s > STALL_S:
            self._heard_at = now
            self._hung(worker, f"it made no progress for {STALL_S / 60:.0f} min")

    @property
    def _held_limit_s(self) -> float:
        marks = [job.order.fingerprint for job in self.in_flight.values()]
        largest = max((mark.size_bytes for mark in marks if mark is not None), default=0)
        # A result has sixteen times the pixels.
        return min(HELD_S + 16 * largest / _SLOWEST_BYTES_S, STALL_S)

    def _hung(self, worker: Executor, why: str, held: str | None = None) -> None:
        _log.error("the worker hangs: %s; it is killed", why)
        at = self._clock.monotonic()
        self._end(worker, _Kill(at, f"hung: {why}, and was ended", held=held))

    def _end(self, worker: Executor, kill: _Kill) -> None:
        # The first reason is the true one; the time counts from the first try. That it was a disk
        # may show later: the kernel lets nobody go whom it holds.
        before = self._kill
        self._kill = kill if before is None else replace(before, held=before.held or kill.held)
        worker.kill()

    def _is_idle_at(self, now: float) -> bool:
        return (
            self.keep_alive_s is not None
            and self.state in {SlotState.STARTING, SlotState.READY}
            and self.report.fetching is None
            and now - self._used_at >= self.keep_alive_s
        )

    def _start(self) -> None:
        self.report = WorkerReport()
        self._heard_at = self._used_at = self._clock.monotonic()
        try:
            self.worker = self._start_worker(self.device)
        except OSError as error:
            # No memory or no process number to be had now.
            self._on(SlotEvent.START_FAILED)
            self._restart_later(f"cannot be started: {error}")
        else:
            self._on(SlotEvent.STARTED)
            _log.info("worker started (pid %d)", self.worker.pid)

    def assign(self, order: Order, rule: RuleSettings, *, suspect: bool) -> None:
        """Give it a job."""
        now = self._clock.monotonic()
        if not self.in_flight:
            self._heard_at = now
        order = replace(order, probe=rule.when.needs_image_info)
        self.in_flight[order.job_id] = InFlight(
            order, suspect, now, rule.timeout_s, rule.max_attempts
        )
        self.send(Run(order))

    def send(self, message: ToWorker) -> None:
        if self.worker is not None:
            self.worker.send(message)

    def on_message(self, message: FromWorker) -> None:
        """Keep what it says of itself and of its progress."""
        now = self._clock.monotonic()
        self.report.take(message)
        match message:
            case Beat():
                self._on(SlotEvent.BEAT)
                self._beat_at = now
                return
            case Fetching():
                self._used_at = now
            case Progressed(job_id) if job_id in self.in_flight:
                self.in_flight[job_id].progress(message, now)
            case _:
                pass
        self._heard_at = now

    def reset_deadlines(self) -> None:
        """Nobody listened for a while: what was counted begins anew."""
        self._heard_at = self._beat_at = self._clock.monotonic()
        for job in self.in_flight.values():
            job.first_since = None

    def on_success(self) -> None:
        """A job came back done: the worker is sound."""
        self._deaths = 0

    def on_exit(self, reason: str) -> WorkerExit:
        """The worker is gone; what was wrong with it stands in `last_death`."""
        kill, self._kill = self._kill, None
        was_meant = was_told_to_end(self.state)
        self.worker = None
        self.report.beat = None
        self._on(SlotEvent.EXITED)
        if not was_meant and kill is not None and (kill.overdue is not None or kill.held):
            self._start_at = self._clock.monotonic()
            was_meant = True
        elif not was_meant:
            self._restart_later(kill.why if kill and kill.why else f"died: {reason}")
        if kill is None:
            return WorkerExit(was_meant)
        return WorkerExit(was_meant, kill.overdue, kill.held)

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

    def restart_when_idle(self) -> None:
        """Start another worker once this one has done what it has."""
        self._on(SlotEvent.RESTART)

    def remove(self) -> None:
        """End for good once the worker has done what it has."""
        self._on(SlotEvent.REMOVE)

    def stop(self) -> None:
        """Ask the worker to end at its next tile; one that has begun none ends at once.

        While it imports or loads a model, which takes seconds, it hears nothing.
        """
        self._on(SlotEvent.STOP)
        self.send(Stop())
        if self.worker and not any(job.is_begun for job in self.in_flight.values()):
            self.kill()

    def kill(self) -> None:
        self._on(SlotEvent.STOP)
        if self.worker is not None:
            self._end(self.worker, _Kill(self._clock.monotonic()))
