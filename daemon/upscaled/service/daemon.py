"""The daemon: it puts the parts together and is the only one that knows them all.

One thread decides. Inboxes, the worker's listener, the control socket and signals only put
events on its queue; it takes them one by one, steps the dispatcher, and sleeps until the next.
"""

import contextlib
import logging
import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from upscaled import log
from upscaled.clock import SystemClock
from upscaled.config.settings import RuleSettings, Settings
from upscaled.control.server import Server
from upscaled.dirs import Dirs
from upscaled.errors import ExitCode, StoreUnavailable
from upscaled.job import JobState, Order
from upscaled.outcomes import Changed, Outcome, Vanished
from upscaled.service import lock
from upscaled.service.configuration import Configuration
from upscaled.service.control_api import ControlApi, decline
from upscaled.service.events import (
    ControlRequest,
    Event,
    EventQueue,
    MountObserved,
    PruneScanned,
    Signalled,
    SourceCleaned,
    SourceReplaced,
    ThreadCrashed,
)
from upscaled.service.inboxes import Inboxes
from upscaled.service.notify.notifications import Notifications
from upscaled.service.queue.crash_recovery import recover, run_mark, written_folders
from upscaled.service.queue.dispatch import Dispatcher
from upscaled.service.queue.intake import Intake
from upscaled.service.reload import asked, differences
from upscaled.service.seams import Seams
from upscaled.service.shutdown import Shutdown, is_drained, shut
from upscaled.service.signals import caught
from upscaled.service.sources.cleanup_lanes import CleanupLanes
from upscaled.service.sources.cleanup_queue import CleanupQueue
from upscaled.service.startup import Startup
from upscaled.service.status.readiness import Readiness
from upscaled.service.status.summary import describe
from upscaled.service.status.systemd_notify import Notifier
from upscaled.service.store_retry import StoreRetry
from upscaled.service.threads import fallen, watched
from upscaled.service.upkeep.known_mounts import KnownMounts
from upscaled.service.upkeep.pruner import Pruner, look_in_background
from upscaled.service.upkeep.sweeper import Sweeper
from upscaled.service.vitals import Vitals, check
from upscaled.service.workers.executor import Died, Said
from upscaled.service.workers.pool import WorkerPool
from upscaled.store.jobs import Store
from upscaled.watch.spec import ArrivalBatch, InboxView
from upscaled.worker.messages import Warm

_log = logging.getLogger(__name__)

_TICK_S = 1.0
_PAGE_S = 0.1
"""Between two pages of the past that is forgotten."""
_RECOVERY_S = 120.0
"""What systemd is asked for while results that were cut off are looked at."""


class Daemon:
    def __init__(
        self,
        settings: Settings,
        dirs: Dirs,
        seams: Seams,
        *,
        once: bool = False,
        load: Callable[[], Settings] | None = None,
    ) -> None:
        """`once`: end when all that lies in the inboxes is done. `load`: for a reload."""
        self._configuration = Configuration(settings, seams.clock, load)
        self.dirs = dirs
        self.clock = seams.clock
        self.started_at = seams.clock.now()
        self._notifier = seams.notifier
        self._start_worker = seams.start_worker
        self._make_inbox = seams.make_inbox
        self._once = once
        self._events = EventQueue()
        self._ending = Shutdown(seams.clock)
        self._readiness = Readiness(seams.notifier, seams.clock, partial(describe, self))

    @property
    def settings(self) -> Settings:
        return self._configuration.settings

    @property
    def reload_error(self) -> str | None:
        """Why a changed configuration is refused."""
        return self._configuration.error

    @property
    def active(self) -> Sequence[RuleSettings]:
        return [rule for rule in self.settings.rules if rule.enabled]

    def run(self) -> ExitCode:
        """Until it is told to stop.

        Raises:
            DaemonAlreadyRunning: another one holds this state directory.
            StoreError: the database cannot be used.
        """
        opening = Startup(
            self.settings,
            self.dirs,
            self.clock,
            self._notifier,
            self._events,
            waits=not self._once,
        )
        with (
            caught(self._events.put),
            watched(self._events.put),
            contextlib.ExitStack() as held,
        ):
            found = opening.enter(held)
            return ExitCode.OK if found is None else self._run(*found)

    def _run(self, store: Store, server: Server) -> ExitCode:
        owner = lock.owner_id()
        self.mark = run_mark(store)
        self.patience = StoreRetry(
            self._events,
            self.clock,
            is_urgent=lambda event: isinstance(event, ControlRequest | Signalled | ThreadCrashed),
            attend=self._attend,
            relieved=self._forgive,
        )
        self.store = self.patience.with_store(store)
        self.known_mounts = KnownMounts(self.store, self.clock)
        self._seating = WorkerPool(self, self._start_worker, self._events.put)
        self.dispatcher = Dispatcher(
            self.store,
            self.clock,
            owner,
            self._seating.seats(),
            self._job_ended,
            known_mounts=self.known_mounts,
        )
        self.disposer = CleanupLanes(self.mark, self._events.put, self.clock, self.known_mounts.of)
        self.sources = CleanupQueue(
            self.store, self.clock, self.disposer.submit, lambda: self.disposer.slow
        )
        self.inboxes = Inboxes(self._events.put, self.clock, self._make_inbox, self.known_mounts.of)
        self._pruner = Pruner(
            self.store,
            self.clock,
            partial(look_in_background, mount_of=self.known_mounts.of, deliver=self._events.put),
        )
        self.herald = Notifications(self)
        self._sweeper = Sweeper(
            store.store_id, self.mark, self.clock, self.known_mounts.of, self._events.put
        )
        self._intake = Intake(self.store, self.clock)
        self._orders = ControlApi(self)
        threads = {
            "control": lambda: server.is_alive,
            "sources": lambda: self.disposer.is_alive,
        }
        self._vitals = Vitals(self.clock, threads, self._forgive)
        try:
            self._notifier.status("Starting: taking up what was cut off")
            self._notifier.extend_timeout(_RECOVERY_S)
            recover(self.store, owner, self.clock.now())
            self._sweeper.step(self._written_folders)
            self.store.reconsider(asked(self.active))
            self.inboxes.watch(self.active)
            _log.info("watching", extra=log.fields(log.Event.STARTED))
            while not self._step():
                pass
        except StoreUnavailable:
            # Told to stop while the disk was full: an end like any other.
            if not self._ending.has_begun:
                raise
        finally:
            self._shut()
        return self._passed(store) if self._once else ExitCode.OK

    def _passed(self, store: Store) -> ExitCode:
        """How a single pass ended, for scripts."""
        if store.failed_since(self.started_at):
            return ExitCode.ERROR
        waiting, reason = store.unfinished([rule.name for rule in self.active])
        if not waiting:
            return ExitCode.OK
        _log.warning("still waiting: %d%s", waiting, f" ({reason})" if reason else "")
        return ExitCode.TEMPFAIL

    def _shut(self) -> None:
        shut(
            self.dispatcher,
            self.inboxes,
            self.disposer,
            self.clock,
            since=self._ending.since,
            hear=self._hear_last,
        )
        self.herald.stop()
        _log.info("stopped", extra=log.fields(log.Event.STOPPED))

    def _hear_last(self, timeout_s: float) -> None:
        # What cannot be recorded now is found by the next start.
        with contextlib.suppress(StoreUnavailable):
            event = self._events.next(timeout_s)
            if not isinstance(event, ThreadCrashed):
                self._handle(event)

    def _step(self) -> bool:
        """One round; whether all is over."""
        self._handle(self._events.next(self._nap_s()))
        # Before the mailbox is emptied: what a thread died of was put there before it was dead.
        dead = self._vitals.dead()
        self._vitals.notice_absence()
        while not self._events.is_empty:
            self._handle(self._events.next(0))
        if self._configuration.is_due:
            self.reload()
        self.sources.settle()
        self.dispatcher.step(self.active)
        if not self._ending.has_begun:
            self._pruner.step(self.settings.history_s)
            self._sweeper.step(self._written_folders)
        views = self.inboxes.views()
        check(dead, views)
        for view in views:
            if view.mount_identity is not None:
                self.known_mounts.learn(view.root, view.mount_identity)
        self._tell_systemd(views)
        self.herald.step()
        if self._once and not self._ending.has_begun and is_drained(self, self._events, views):
            self.stop()
        return self._is_over()

    def _nap_s(self) -> float:
        due = self.store.next_wake(self.clock.now())
        restart_s = self.dispatcher.restart_in_s
        waits = [_TICK_S if not self._pruner.is_busy else _PAGE_S]
        waits += [due - self.clock.now()] if due is not None else []
        waits += [restart_s] if restart_s is not None else []
        if (grace_s := self._ending.grace_s) is not None:
            waits.append(grace_s)
        return max(min(waits), 0.01)

    def _handle(self, event: Event | None) -> None:  # noqa: C901 (a table: a case, a call)
        match event:
            case None:
                pass
            case Said(executor, message):
                self.dispatcher.hear(executor, message)
            case Died():
                self.dispatcher.bury(event)
            case SourceCleaned():
                self.sources.hear(event)
            case SourceReplaced(source):
                # An arrival that came while its job ran was not queued.
                self.inboxes.resettle(source)
            case MountObserved(folder, found):
                self.known_mounts.learn(folder, found)
            case ArrivalBatch():
                self._intake.take(self.active, event)
            case ControlRequest():
                self._orders.take(event)
            case PruneScanned():
                self._pruner.hear(event)
            case ThreadCrashed():
                raise fallen(event)
            case Signalled(number):
                self.reload() if number == signal.SIGHUP else self.stop()

    def _attend(self, event: Event | None) -> bool:
        """While the database cannot be written; False: told to stop."""
        match event:
            case ControlRequest() if event.request.do not in {"status", "stop"}:
                decline(event, self.patience.trouble or StoreUnavailable())
            case ControlRequest() | Signalled() | ThreadCrashed():
                self._handle(event)
            case _:
                self._tell_systemd(self.inboxes.views())
        return not self._ending.has_begun

    def _forgive(self) -> None:
        self.dispatcher.forgive()

    def _job_ended(self, order: Order, outcome: Outcome, state: JobState) -> None:
        if isinstance(outcome, Changed | Vanished):
            # What stands there now, or comes back, is new work: nobody else looks at it again.
            self.inboxes.resettle(order.source)
        else:
            self.disposer.glance(order)
        if state in {JobState.DONE, JobState.FAILED}:
            self.herald.ended(order, outcome)
        if state is not JobState.WAITING:
            self.sources.offer(order.job_id)

    def stop(self) -> None:
        """Gracefully; asked a second time, at once."""
        if self._ending.has_begun:
            self.dispatcher.kill()
            return
        self._ending.begin()
        _log.info("stopping at the end of the tile (asked once more: at once)")
        self._readiness.stopping()
        self.dispatcher.begin_stop()

    def _is_over(self) -> bool:
        grace_s = self._ending.grace_s
        if grace_s is None:
            return False
        if grace_s < 0:
            if not self.dispatcher.is_stopped:
                _log.warning("the tile takes too long: the worker is killed")
            return True
        return self.dispatcher.is_stopped and not self.sources.is_busy

    def reload(self) -> None:
        """Take a changed configuration; a broken one is refused and the old one stays."""
        if self._configuration.is_fixed:
            return
        self._notifier.reloading()
        if (before := self._configuration.read()) is not None:
            self._take_over(before)
        self._readiness.ready()

    def _written_folders(self) -> list[Path]:
        return written_folders(rule.delivery for rule in self.settings.rules)

    def _take_over(self, before: Settings) -> None:
        """Running work goes on with what it was given; jobs of removed rules are held."""
        models = {rule.recipe.model for rule in before.rules if rule.enabled}
        self._seating.reseat(self.dispatcher, before, self.settings)
        self.store.reconsider(asked(self.active))
        self.inboxes.watch(self.active)
        self.herald.reloaded()
        for model in dict.fromkeys(rule.recipe.model for rule in self.active):
            if model not in models:
                self.dispatcher.warm(Warm(model))
        _log.info(
            "the configuration was read anew: %s",
            differences(before, self.settings),
            extra=log.fields(log.Event.RELOADED),
        )

    def _tell_systemd(self, views: Sequence[InboxView]) -> None:
        self._vitals.beat()
        self._readiness.tell(views, self.dispatcher.seats, needs_model=bool(self.active))


def run_daemon(
    settings: Settings,
    dirs: Dirs,
    notifier: Notifier,
    *,
    once: bool = False,
    load: Callable[[], Settings] | None = None,
) -> ExitCode:
    """The real daemon, in this process, until it is told to stop."""
    seams = Seams(SystemClock(), notifier)
    return Daemon(settings, dirs, seams, once=once, load=load).run()
