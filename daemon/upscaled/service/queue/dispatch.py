"""Jobs to the workers and their outcomes to the store. Lives in the daemon's main thread."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Thread

from upscaled import rules
from upscaled.cause import Cause
from upscaled.clock import Clock
from upscaled.config.settings import RuleSettings
from upscaled.errors import ExitCode
from upscaled.filesystem.unresponsive import ask_until_it_answers, find_unresponsive
from upscaled.job import Arrival, JobState, Order
from upscaled.outcomes import Cancelled, Done, Failed, Interrupted, Outcome, Snoozed
from upscaled.service.queue import scheduler
from upscaled.service.queue.crash_recovery import ANSWER_S, is_published
from upscaled.service.queue.outcome_log import log_outcome
from upscaled.service.upkeep.known_mounts import KnownMounts
from upscaled.service.workers.executor import Died, Executor
from upscaled.service.workers.in_flight import InFlight
from upscaled.service.workers.pool import WorkerPool
from upscaled.service.workers.slot import WorkerSlot
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
)

_log = logging.getLogger(__name__)

JobEnded = Callable[[Order, Outcome, JobState], None]


@dataclass(frozen=True, slots=True)
class _Held:
    """A job whose bytes another one is just being made from: it waits for that one's end."""

    behind: int
    slot: WorkerSlot
    identified: Identified


class Dispatcher:
    def __init__(
        self,
        store: Store,
        clock: Clock,
        owner: str,
        pool: WorkerPool,
        listeners: Sequence[JobEnded],
        *,
        known_mounts: KnownMounts | None = None,
    ) -> None:
        """`listeners` are called in order after each commit: the source is next."""
        self._pool = pool
        self._store = store
        self._clock = clock
        self._owner = owner
        self._listeners = listeners
        self._turns = scheduler.Turns()
        self._known_mounts = known_mounts or KnownMounts(store, clock)
        self._rules: Sequence[RuleSettings] = ()
        self._held: list[_Held] = []
        self._dead: dict[str, Thread] = {}
        """By rule: it ends when the disk answers again."""

    def step(self, rules: Sequence[RuleSettings]) -> None:
        """See to the workers, and give them what they can take."""
        self._rules = rules
        named = {rule.name: rule for rule in rules}
        # A try would hang as well, and hold up the others.
        names = [name for name in named if not self._is_dead(name)]
        for slot in self._pool.slots:
            slot.step(work_waits=lambda: bool(self._store.ready(names, self._clock.now())))
            while slot.takes_work and (ready := self._choose(slot, names)) is not None:
                order = self._store.claim(ready, self._owner, self._clock.now())
                if order is None:
                    break
                self._turns.take(ready, slot.device, self._clock.monotonic())
                order = self._grounded(order, named[order.rule])
                slot.assign(order, named[order.rule], suspect=ready.suspect)
        self._pool.drop_removed()

    def _grounded(self, order: Order, rule: RuleSettings) -> Order:
        inbox = None if rule.require_mount is False else self._known_mounts.of(order.inbox)
        output = self._known_mounts.of(order.delivery.folder)
        return replace(order, inbox_mount=inbox, output_mount=output)

    def _choose(self, slot: WorkerSlot, rules: Sequence[str]) -> Ready | None:
        flying = [scheduler.Flying(f.order.rule, f.suspect) for f in slot.in_flight.values()]
        if len(flying) >= scheduler.DEPTH:
            return None
        ready = self._store.ready(rules, self._clock.now())
        return self._turns.choose(ready, flying, slot.device, self._clock.monotonic())

    def on_message(self, executor: Executor, message: FromWorker) -> None:
        slot = self._pool.slot_of(executor)
        if slot is None:
            return
        slot.on_message(message)
        match message:
            case TilesLearned(values):
                for key, value in values.items():
                    self._store.learn(key, value, self._clock.now())
            case MountFound(folder, mount_identity):
                self._known_mounts.learn(folder, mount_identity)
            case Described(job_id) | Identified(job_id) | Announced(job_id) | Finished(job_id):
                if job_id in slot.in_flight:
                    self._on_job_message(slot, message)
                else:
                    _log.error("the worker spoke of job %d, which it does not have", job_id)
            case _:
                pass

    def _on_job_message(
        self, slot: WorkerSlot, message: Described | Identified | Announced | Finished
    ) -> None:
        match message:
            case Described():
                self._rule_on(slot, message)
            case Identified():
                self._identify(slot, message)
            case Announced(job_id, result):
                self._store.publishing(job_id, result)
                slot.in_flight[job_id].announced = result
                slot.send(Committed(job_id))
            case Finished(job_id, outcome):
                self._end(slot, job_id, outcome)

    def _rule_on(self, slot: WorkerSlot, described: Described) -> None:
        """Whether its rule takes such a picture; if not, the next rule that does gets the file."""
        order = slot.in_flight[described.job_id].order
        route = rules.route(self._rules, order, described.image_info)
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
        slot.in_flight[described.job_id].is_nobodys = route.is_nobodys
        slot.send(Ruling(described.job_id, route.refusal))

    def _identify(self, slot: WorkerSlot, message: Identified) -> None:
        flight = slot.in_flight[message.job_id]
        flight.content_sha256 = message.content_sha256
        twin = next((other for other in self._pool.in_flight if _are_twins(other, flight)), None)
        if twin is not None:
            self._held.append(_Held(twin.order.job_id, slot, message))
            return
        found = self._store.identify(message.job_id, message.content_sha256)
        own = self._store.made_by(flight.order.rule, message.content_sha256)
        slot.send(DuplicateVerdict(message.job_id, found, own))

    def _release(self, behind: int) -> None:
        released = [held for held in self._held if held.behind == behind]
        self._held = [held for held in self._held if held.behind != behind]
        for held in released:
            if held.identified.job_id in held.slot.in_flight:
                self._identify(held.slot, held.identified)

    def _end(self, slot: WorkerSlot, job_id: int, outcome: Outcome) -> None:
        flight = slot.in_flight.pop(job_id)
        if flight.is_nobodys and isinstance(outcome, Cancelled):
            outcome = replace(outcome, cause=Cause.NO_RULE)
        state = self._store.record(
            job_id, outcome, self._clock.now(), max_attempts=flight.max_attempts
        )
        if isinstance(outcome, Done):
            slot.on_success()
        self._announce(flight.order, outcome, state)
        self._release(job_id)

    def _announce(self, order: Order, outcome: Outcome, state: JobState) -> None:
        log_outcome(order, outcome, state)
        for listener in self._listeners:
            listener(order, outcome, state)

    def on_worker_died(self, died: Died) -> None:
        """A worker is gone: its jobs go back, and it is started again where it should be."""
        slot = self._pool.slot_of(died.executor)
        if slot is None:
            return
        gone = slot.on_exit(died.reason)
        self._end_overdue(slot, gone.overdue)
        self._end_held(slot, gone.held)
        self._end_published(slot)
        jobs = list(slot.in_flight)
        self._held = [held for held in self._held if held.slot is not slot]
        if gone.was_meant:
            for job_id in jobs:
                self._end(slot, job_id, Interrupted())
        elif died.exit_code == ExitCode.TEMPFAIL:
            # No job's fault: their rules wait, with the reason to be seen.
            for job_id in jobs:
                self._end(
                    slot,
                    job_id,
                    Snoozed(f"the device was lost: {died.reason}", cause=Cause.DEVICE_LOST),
                )
        elif jobs:
            self._blame(slot, jobs, f"the worker {slot.last_death}")

    def _end_published(self, slot: WorkerSlot) -> None:
        """What had its final name when the worker died is done."""
        for job_id, flight in list(slot.in_flight.items()):
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
                self._end(slot, job_id, Done(result, content, notes=(note,)))

    def _end_overdue(self, slot: WorkerSlot, job_id: int | None) -> None:
        if job_id is not None and (flight := slot.in_flight.get(job_id)) is not None:
            reason = f"not done within the timeout of {flight.timeout_s:g} s"
            hint = f"raise `timeout:` of rule {flight.order.rule}, then: upscaled retry {job_id}"
            self._end(slot, job_id, Failed(reason, hint, Cause.TIMEOUT))

    def _end_held(self, slot: WorkerSlot, why: str | None) -> None:
        """Of jobs whose disks do not answer; the others were only behind them."""
        if why is None:
            return
        disks = {
            job_id: {flight.order.source, flight.order.delivery.folder}
            for job_id, flight in slot.in_flight.items()
        }
        dead = find_unresponsive(set().union(*disks.values()), ANSWER_S)
        for job_id, own in disks.items():
            if hanging := sorted(own & dead):
                rule = slot.in_flight[job_id].order.rule
                self._dead[rule] = ask_until_it_answers(hanging[0])
                silent = f"the disk of {hanging[0]} does not answer"
                self._end(slot, job_id, Snoozed(silent, cause=Cause.DISK_SILENT))
            elif not dead:
                self._end(slot, job_id, Snoozed(why, whole_rule=False, cause=Cause.DISK_SILENT))

    def _is_dead(self, rule: str) -> bool:
        asking = self._dead.get(rule)
        return asking is not None and asking.is_alive()

    def _blame(self, slot: WorkerSlot, jobs: Sequence[int], reason: str) -> None:
        flights = {job_id: slot.in_flight.pop(job_id) for job_id in jobs}
        poison = self._store.died(jobs, reason, self._clock.now())
        for job_id in poison:
            outcome = Failed("it kills the worker", cause=Cause.POISON)
            self._announce(flights[job_id].order, outcome, JobState.FAILED)
        for job_id in jobs:
            self._release(job_id)


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
