"""Jobs to the workers and their outcomes to the store. Lives in the supervisor's main thread."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Thread

from upscaled import log
from upscaled.clock import Clock
from upscaled.config.settings import RuleSettings
from upscaled.errors import ExitCode
from upscaled.filesystem.unresponsive import ask_until_it_answers, find_unresponsive
from upscaled.job import Arrival, JobState, Order
from upscaled.outcomes import Cancelled, Changed, Done, Failed, Interrupted, Outcome, Snoozed
from upscaled.service.queue import routing, scheduler
from upscaled.service.queue.crash_recovery import ANSWER_S, is_published
from upscaled.service.upkeep.known_mounts import KnownMounts
from upscaled.service.workers.executor import Died, Executor
from upscaled.service.workers.slot import InFlight, WorkerSlot
from upscaled.store.jobs import Ready, Store
from upscaled.worker.messages import (
    Announced,
    Committed,
    Described,
    DuplicateVerdict,
    Finished,
    FromWorker,
    Identified,
    MountFound,
    Ruling,
    TilesLearned,
    Warm,
)

_log = logging.getLogger(__name__)

OnEnd = Callable[[Order, Outcome, JobState], None]


@dataclass(frozen=True, slots=True)
class _Held:
    """A job whose bytes another one is just being made from: it waits for that one's end."""

    behind: int
    seat: WorkerSlot
    identified: Identified


class Dispatcher:
    def __init__(
        self,
        store: Store,
        clock: Clock,
        owner: str,
        seats: Sequence[WorkerSlot],
        on_end: OnEnd,
        *,
        known_mounts: KnownMounts | None = None,
    ) -> None:
        """`on_end` is called after each commit: the source is next."""
        self.seats = list(seats)
        self._store = store
        self._clock = clock
        self._owner = owner
        self._on_end = on_end
        self._turns = scheduler.Turns()
        self._known_mounts = known_mounts or KnownMounts(store, clock)
        self._rules: Sequence[RuleSettings] = ()
        self._held: list[_Held] = []
        self._dead: dict[str, Thread] = {}
        """By rule: it ends when the disk answers again."""

    @property
    def flights(self) -> Sequence[InFlight]:
        return [flight for seat in self.seats for flight in seat.flights.values()]

    @property
    def restart_in_s(self) -> float | None:
        """Until the next dead worker is started again; None: none is waiting for it."""
        waits = [seat.restart_in_s for seat in self.seats]
        return min((wait for wait in waits if wait is not None), default=None)

    def step(self, rules: Sequence[RuleSettings]) -> None:
        """See to the workers, and give them what they can take."""
        self._rules = rules
        named = {rule.name: rule for rule in rules}
        # A try would hang as well, and hold up the others.
        names = [name for name in named if not self._is_dead(name)]
        for seat in self.seats:
            seat.step(work_waits=lambda: bool(self._store.ready(names, self._clock.now())))
            while seat.takes_work and (ready := self._choose(seat, names)) is not None:
                order = self._store.claim(ready, self._owner, self._clock.now())
                if order is None:
                    break
                self._turns.take(ready, seat.device, self._clock.monotonic())
                order = self._grounded(order, named[order.rule])
                seat.fly(order, named[order.rule], suspect=ready.suspect)
        self.seats = [seat for seat in self.seats if not seat.is_vacated]

    def _grounded(self, order: Order, rule: RuleSettings) -> Order:
        inbox = None if rule.require_mount is False else self._known_mounts.of(order.inbox)
        output = self._known_mounts.of(order.delivery.folder)
        return replace(order, inbox_mount=inbox, output_mount=output)

    def _choose(self, seat: WorkerSlot, rules: Sequence[str]) -> Ready | None:
        flying = [scheduler.Flying(f.order.rule, f.suspect) for f in seat.flights.values()]
        if len(flying) >= scheduler.DEPTH:
            return None
        ready = self._store.ready(rules, self._clock.now())
        return self._turns.choose(ready, flying, seat.device, self._clock.monotonic())

    def hear(self, executor: Executor, message: FromWorker) -> None:
        seat = self._seat_of(executor)
        if seat is None:
            return
        seat.hear(message)
        match message:
            case TilesLearned(values):
                for key, value in values.items():
                    self._store.learn(key, value, self._clock.now())
            case MountFound(folder, mount_identity):
                self._known_mounts.learn(folder, mount_identity)
            case Described(job_id) | Identified(job_id) | Announced(job_id) | Finished(job_id):
                if job_id in seat.flights:
                    self._hear_of_job(seat, message)
                else:
                    _log.error("the worker spoke of job %d, which it does not have", job_id)
            case _:
                pass

    def _seat_of(self, executor: Executor) -> WorkerSlot | None:
        return next((seat for seat in self.seats if seat.worker is executor), None)

    def _hear_of_job(
        self, seat: WorkerSlot, message: Described | Identified | Announced | Finished
    ) -> None:
        match message:
            case Described():
                self._rule_on(seat, message)
            case Identified():
                self._identify(seat, message)
            case Announced(job_id, result):
                self._store.publishing(job_id, result)
                seat.flights[job_id].announced = result
                seat.say(Committed(job_id))
            case Finished(job_id, outcome):
                self._end(seat, job_id, outcome)

    def _rule_on(self, seat: WorkerSlot, described: Described) -> None:
        """Whether its rule takes such a picture; if not, the next rule that does gets the file."""
        order = seat.flights[described.job_id].order
        route = routing.route(self._rules, order, described.image_info)
        if route.rule is not None and route.root is not None and order.fingerprint is not None:
            # Before this job ends: a crash in between finds it again, and then the file known.
            self._store.admit(
                route.rule.name,
                route.root,
                [Arrival(order.source, order.fingerprint)],
                route.rule.recipe,
                route.rule.delivery,
                now=self._clock.now(),
                priority=route.rule.priority,
            )
        seat.say(Ruling(described.job_id, route.refusal))

    def _identify(self, seat: WorkerSlot, message: Identified) -> None:
        flight = seat.flights[message.job_id]
        flight.content_sha256 = message.content_sha256
        twin = next((other for other in self.flights if _are_twins(other, flight)), None)
        if twin is not None:
            self._held.append(_Held(twin.order.job_id, seat, message))
            return
        found = self._store.identify(message.job_id, message.content_sha256)
        own = self._store.made_by(flight.order.rule, message.content_sha256)
        seat.say(DuplicateVerdict(message.job_id, found, own))

    def _release(self, behind: int) -> None:
        released = [held for held in self._held if held.behind == behind]
        self._held = [held for held in self._held if held.behind != behind]
        for held in released:
            if held.identified.job_id in held.seat.flights:
                self._identify(held.seat, held.identified)

    def _end(self, seat: WorkerSlot, job_id: int, outcome: Outcome) -> None:
        flight = seat.flights.pop(job_id)
        state = self._store.record(
            job_id, outcome, self._clock.now(), max_attempts=flight.max_attempts
        )
        if isinstance(outcome, Done):
            seat.succeed()
        _tell(flight.order, outcome, state)
        self._on_end(flight.order, outcome, state)
        self._release(job_id)

    def bury(self, died: Died) -> None:
        """A worker is gone: its jobs go back, and it is started again where it should be."""
        seat = self._seat_of(died.executor)
        if seat is None:
            return
        meant = seat.vacate(died.reason)
        self._end_overdue(seat)
        self._end_held(seat)
        self._end_published(seat)
        jobs = list(seat.flights)
        self._held = [held for held in self._held if held.seat is not seat]
        if meant:
            for job_id in jobs:
                self._end(seat, job_id, Interrupted())
        elif died.exit_code == ExitCode.TEMPFAIL:
            # No job's fault: their rules wait, with the reason to be seen.
            for job_id in jobs:
                self._end(seat, job_id, Snoozed(f"the device was lost: {died.reason}"))
        elif jobs:
            self._blame(seat, jobs, f"the worker {seat.last_death}")

    def _end_published(self, seat: WorkerSlot) -> None:
        """What had its final name when the worker died is done."""
        for job_id, flight in list(seat.flights.items()):
            result, content = flight.announced, flight.content_sha256
            if result is None or content is None:
                continue
            try:
                stands = is_published(result, self._store.store_id, job_id)
            except OSError as error:
                # Done again, it waits until the disk can be written.
                _log.warning("%s cannot be made durable: %s", flight.order.source, error)
                stands = False
            if stands:
                note = "its worker died right after it was published"
                self._end(seat, job_id, Done(result, content, notes=(note,)))

    def _end_overdue(self, seat: WorkerSlot) -> None:
        job_id, seat.overdue = seat.overdue, None
        if job_id is not None and (flight := seat.flights.get(job_id)) is not None:
            reason = f"not done within the timeout of {flight.timeout_s:g} s"
            hint = f"raise `timeout:` of rule {flight.order.rule}, then: upscaled retry {job_id}"
            self._end(seat, job_id, Failed(reason, hint))

    def _end_held(self, seat: WorkerSlot) -> None:
        """Of jobs whose disks do not answer; the others were only behind them."""
        why, seat.held = seat.held, None
        if why is None:
            return
        disks = {
            job_id: {flight.order.source, flight.order.delivery.folder}
            for job_id, flight in seat.flights.items()
        }
        dead = find_unresponsive(set().union(*disks.values()), ANSWER_S)
        for job_id, own in disks.items():
            if hanging := sorted(own & dead):
                rule = seat.flights[job_id].order.rule
                self._dead[rule] = ask_until_it_answers(hanging[0])
                self._end(seat, job_id, Snoozed(f"the disk of {hanging[0]} does not answer"))
            elif not dead:
                self._end(seat, job_id, Snoozed(why, whole_rule=False))

    def _is_dead(self, rule: str) -> bool:
        asking = self._dead.get(rule)
        return asking is not None and asking.is_alive()

    def _blame(self, seat: WorkerSlot, jobs: Sequence[int], reason: str) -> None:
        flights = {job_id: seat.flights.pop(job_id) for job_id in jobs}
        poison = self._store.died(jobs, reason, self._clock.now())
        for job_id in poison:
            outcome = Failed("it kills the worker")
            _tell(flights[job_id].order, outcome, JobState.FAILED)
            self._on_end(flights[job_id].order, outcome, JobState.FAILED)
        for job_id in jobs:
            self._release(job_id)

    def warm(self, wish: Warm) -> None:
        """The workers that run get this model ready; those that start later are told anyway."""
        for seat in self.seats:
            seat.say(wish)

    def forgive(self) -> None:
        """The daemon itself stood still: that is no job's time, and no worker's silence."""
        for seat in self.seats:
            seat.forgive()

    def begin_stop(self) -> None:
        """Ask the workers to end at their next tile; they are gone when `is_stopped`."""
        for seat in self.seats:
            seat.stop()

    def kill(self) -> None:
        for seat in self.seats:
            seat.kill()

    @property
    def is_stopped(self) -> bool:
        return all(seat.worker is None for seat in self.seats)


def _are_twins(first: InFlight, second: InFlight) -> bool:
    one, other = first.order, second.order
    return (
        first is not second
        and first.content_sha256 is not None
        and first.content_sha256 == second.content_sha256
        and one.rule == other.rule
        and one.recipe.digest() == other.recipe.digest()
        # Two that are both identified already cannot wait for each other.
        and one.job_id < other.job_id
    )


def _tell(order: Order, outcome: Outcome, state: JobState) -> None:
    name = str(order.source)
    match outcome:
        case Done(result):
            _log.info(
                "done: %s → %s (%d×%d px)",
                name,
                result.path,
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
        case Cancelled(reason):
            _log.info("skipped: %s: %s", name, reason)
        case Changed():
            _log.info("%s changed while it was worked on: it has to settle again", name)
        case _:
            event = log.Event.JOB_FAILED if state is JobState.FAILED else log.Event.JOB_RETRIED
            reason = getattr(outcome, "reason", "its source is gone")
            _log.warning("%s: %s (%s)", name, reason, state, extra=_fields(event, order))


def _fields(event: log.Event, order: Order) -> dict[str, str]:
    return log.fields(event, rule=order.rule, job=order.job_id, file=order.source)
