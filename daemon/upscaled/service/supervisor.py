"""The daemon: it puts the parts together and is the only one that knows them all.

One thread decides. Inboxes, the worker's listener, the control socket and signals only put
events on its queue; it takes them one by one, steps the dispatcher, and sleeps until the next.
"""

import contextlib
import logging
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from upscaled import log
from upscaled.clock import Clock, SystemClock
from upscaled.config.settings import RuleSettings, Settings
from upscaled.control.server import Server, refuse
from upscaled.dirs import Dirs
from upscaled.errors import ConfigError, ExitCode, StoreUnavailable, UpscaledError
from upscaled.job import Changed, JobState, Order, Outcome, Vanished
from upscaled.output.source import fingerprint
from upscaled.service import lock
from upscaled.service.begin import devices, make_begin
from upscaled.service.dispatch import Dispatcher
from upscaled.service.ending import STOP_GRACE_S, shut
from upscaled.service.executor import Deliver, Died, Executor, Said
from upscaled.service.footings import Footings
from upscaled.service.gpus import count_gpus
from upscaled.service.headline import describe
from upscaled.service.herald import Herald
from upscaled.service.inboxes import Inboxes, MakeInbox, real_inbox
from upscaled.service.intake import Intake
from upscaled.service.mailbox import Asked, Disposed, Event, Fell, Looked, Mailbox, Seen, Signalled
from upscaled.service.notify import Notifier
from upscaled.service.opening import Opening
from upscaled.service.orders import Orders
from upscaled.service.patience import Patience
from upscaled.service.pruner import Pruner, look_in_background
from upscaled.service.readiness import Readiness
from upscaled.service.recovery import (
    recover,
    run_mark,
    sweep_in_background,
    written_folders,
)
from upscaled.service.reload import ConfigWatch, differences
from upscaled.service.reseat import reseat
from upscaled.service.seat import Seat
from upscaled.service.signals import caught
from upscaled.service.sources import Disposer, Sources
from upscaled.service.threads import fallen, watched
from upscaled.service.worker_process import WorkerProcess
from upscaled.store.jobs import Store
from upscaled.watch.spec import Batch
from upscaled.worker.messages import Begin, Warm

_log = logging.getLogger(__name__)

_TICK_S = 1.0
_PAGE_S = 0.1
"""Between two pages of the past that is forgotten."""
_AWAY_S = 10.0
"""A round takes milliseconds: after so long this process was stopped, or the machine slept."""
_RECOVERY_S = 120.0
"""What systemd is asked for while results that were cut off are looked at."""


StartWorker = Callable[[Begin, Deliver], Executor]


@dataclass(frozen=True, slots=True)
class Seams:
    """What tests replace."""

    clock: Clock
    notifier: Notifier
    start_worker: StartWorker = WorkerProcess
    make_inbox: MakeInbox = real_inbox


class Supervisor:
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
        self.settings = settings
        self.dirs = dirs
        self.clock = seams.clock
        self.started_at = seams.clock.now()
        self._notifier = seams.notifier
        self._load = load
        self._start_worker = seams.start_worker
        self._make_inbox = seams.make_inbox
        self._once = once
        self._events = Mailbox()
        self._stopping_since: float | None = None
        self._readiness = Readiness(seams.notifier, seams.clock, partial(describe, self))
        self.reload_error: str | None = None
        self._config_watch = ConfigWatch(self.clock, settings.watched)
        self._round_at = seams.clock.monotonic()

    @property
    def active(self) -> Sequence[RuleSettings]:
        return [rule for rule in self.settings.rules if rule.enabled]

    def run(self) -> ExitCode:
        """Until it is told to stop.

        Raises:
            DaemonAlreadyRunning: another one holds this state directory.
            StoreError: the database cannot be used.
        """
        opening = Opening(
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
        self._mark = run_mark(store)
        self.patience = Patience(
            self._events,
            self.clock,
            is_urgent=lambda event: isinstance(event, Asked | Signalled | Fell),
            attend=self._attend,
            relieved=self._relieved,
        )
        self.store = self.patience.with_store(store)
        self.footings = Footings(self.store, self.clock)
        self.dispatcher = Dispatcher(
            self.store,
            self.clock,
            owner,
            self._make_seats(),
            self._job_ended,
            footings=self.footings,
        )
        self._disposer = Disposer(self._mark, self._events.put, self.footings.of)
        self.sources = Sources(self.store, self.clock, self._disposer.submit)
        self.inboxes = Inboxes(self._events.put, self.clock, self._make_inbox, self.footings.of)
        self._pruner = Pruner(
            self.store, self.clock, partial(look_in_background, deliver=self._events.put)
        )
        self.herald = Herald(self)
        self._intake = Intake(self.store, self.clock)
        self._orders = Orders(self)
        try:
            self._notifier.status("Starting: taking up what was cut off")
            self._notifier.extend_timeout(_RECOVERY_S)
            recover(self.store, owner, self.clock.now())
            folders = written_folders(rule.delivery for rule in self.settings.rules)
            sweep_in_background(
                folders, store.store_id, self._mark, self.footings.of, self._events.put
            )
            self.inboxes.watch(self.active)
            _log.info("watching", extra=log.fields(log.Event.STARTED))
            while not self._step(server):
                pass
        except StoreUnavailable:
            # Told to stop while the disk was full: an end like any other.
            if self._stopping_since is None:
                raise
        finally:
            self._shut()
        failed = self._once and store.failed_since(self.started_at)
        return ExitCode.ERROR if failed else ExitCode.OK

    def _shut(self) -> None:
        now, since = self.clock.monotonic(), self._stopping_since
        shut(
            self.dispatcher,
            self.inboxes,
            self._disposer,
            self.clock,
            since=now if since is None else since,
            hear=self._hear_last,
        )
        self.herald.stop()
        _log.info("stopped", extra=log.fields(log.Event.STOPPED))

    def _hear_last(self, timeout_s: float) -> None:
        # What cannot be recorded now is found by the next start.
        with contextlib.suppress(StoreUnavailable):
            event = self._events.next(timeout_s)
            if not isinstance(event, Fell):
                self._handle(event)

    def _make_seats(self) -> list[Seat]:
        return [self._make_seat(device) for device in devices(self.settings, count_gpus())]

    def _make_seat(self, device: str) -> Seat:
        return Seat(device, self._make_worker, self.clock, self.settings.keep_alive_s)

    def _make_worker(self, device: str) -> Executor:
        begin = make_begin(
            self.settings,
            self.dirs,
            device,
            mark=self._mark,
            learned=self.store.learned(),
        )
        worker = self._start_worker(begin, self._events.put)
        for warm in dict.fromkeys(Warm(name) for r in self.active for name in r.recipe.models):
            worker.send(warm)
        return worker

    def _step(self, server: Server) -> bool:
        """One round; whether all is over."""
        self._handle(self._events.next(self._nap_s()))
        # Before the mailbox is emptied: what a thread died of was put there before it was dead.
        threads = {"control": server.is_alive, "sources": self._disposer.is_alive}
        self._notice_absence()
        while not self._events.is_empty:
            self._handle(self._events.next(0))
        if self.settings.watch_config and self._config_watch.has_changed():
            self.reload()
        self.sources.settle()
        self.dispatcher.step(self.active)
        if self._stopping_since is None:
            self._pruner.step(self.settings.history_s)
        for name, is_alive in threads.items():
            if not is_alive:
                raise fallen(Fell(name, "it ended without an error"))
        views = self.inboxes.views()
        if dead := [view for view in views if not view.alive]:
            raise UpscaledError(f"nobody watches {dead[0].root} any more: {dead[0].reason}")
        for view in views:
            if view.footing is not None:
                self.footings.learn(view.root, view.footing)
        self._tell_systemd()
        self.herald.step()
        if self._once and self._stopping_since is None and self._is_drained():
            self.stop()
        return self._is_over()

    def _notice_absence(self) -> None:
        away_s = self.clock.monotonic() - self._round_at
        if away_s > _AWAY_S:
            _log.warning("this process stood still for %.0f s", away_s)
            self.dispatcher.forgive()

    def _nap_s(self) -> float:
        due = self.store.next_wake(self.clock.now())
        restart_s = self.dispatcher.restart_in_s
        waits = [_TICK_S if not self._pruner.is_busy else _PAGE_S]
        waits += [due - self.clock.now()] if due is not None else []
        waits += [restart_s] if restart_s is not None else []
        if self._stopping_since is not None:
            waits.append(self._stopping_since + STOP_GRACE_S - self.clock.monotonic())
        return max(min(waits), 0.01)

    def _handle(self, event: Event | None) -> None:  # noqa: C901 (a table: a case, a call)
        match event:
            case None:
                pass
            case Said(executor, message):
                self.dispatcher.hear(executor, message)
            case Died():
                self.dispatcher.bury(event)
            case Disposed():
                self.sources.hear(event)
            case Seen(folder, found):
                self.footings.learn(folder, found)
            case Batch():
                self._intake.take(self.active, event)
            case Asked():
                self._answer(event)
            case Looked():
                self._pruner.hear(event)
            case Fell():
                raise fallen(event)
            case Signalled(number):
                self.reload() if number == signal.SIGHUP else self.stop()

    def _answer(self, asked: Asked) -> None:
        # Else the asker has been told that it took too long.
        if asked.reply.set_running_or_notify_cancel():
            try:
                asked.reply.set_result(self._orders.answer(asked.request))
            except Exception as error:  # noqa: BLE001 (the asker gets it, the daemon goes on)
                refuse(asked.reply, error)

    def _attend(self, event: Event | None) -> bool:
        """While the database cannot be written; False: told to stop."""
        match event:
            case Asked(request, reply) if request.do not in {"status", "stop"}:
                if reply.set_running_or_notify_cancel():
                    refuse(reply, self.patience.trouble or StoreUnavailable())
            case Asked() | Signalled() | Fell():
                self._handle(event)
            case _:
                self._tell_systemd()
        return self._stopping_since is None

    def _relieved(self) -> None:
        self.dispatcher.forgive()

    def _job_ended(self, order: Order, outcome: Outcome, state: JobState) -> None:
        if isinstance(outcome, Changed | Vanished) or _has_changed(order):
            # What stands there now, or comes back, is new work: nobody else looks at it again.
            self.inboxes.resettle(order.source)
        if state in {JobState.DONE, JobState.FAILED}:
            self.herald.ended(order, outcome)
        if state is not JobState.WAITING:
            self.sources.offer(order.job_id)

    def stop(self) -> None:
        """Gracefully; asked a second time, at once."""
        if self._stopping_since is not None:
            self.dispatcher.kill()
            return
        self._stopping_since = self.clock.monotonic()
        _log.info("stopping at the end of the tile (asked once more: at once)")
        self._readiness.stopping()
        self.dispatcher.begin_stop()

    def _is_over(self) -> bool:
        if self._stopping_since is None:
            return False
        if self.clock.monotonic() - self._stopping_since > STOP_GRACE_S:
            if not self.dispatcher.is_stopped:
                _log.warning("the tile takes too long: the worker is killed")
            return True
        return self.dispatcher.is_stopped and not self.sources.is_busy

    def reload(self) -> None:
        """Take a changed configuration; a broken one is refused and the old one stays."""
        if self._load is None:
            return
        self._notifier.reloading()
        self._config_watch.read()
        try:
            settings = self._load()
        except ConfigError as error:
            # What is wrong may stand in a file that the old configuration does not include.
            self._config_watch.follow([*self.settings.watched, *getattr(error, "watched", ())])
            self.reload_error = error.message
            _log.error(
                "the new configuration is refused, the old one stays: %s",
                error,
                extra=log.fields(log.Event.RELOAD_REFUSED),
            )
        else:
            self.reload_error = None
            self._take_over(settings)
        self._readiness.ready()

    def _take_over(self, settings: Settings) -> None:
        """Running work goes on with what it was given; jobs of removed rules are held."""
        before, self.settings = self.settings, settings
        models = {rule.recipe.model for rule in before.rules if rule.enabled}
        self._config_watch.follow(settings.watched)
        reseat(self.dispatcher, before, settings, self.dirs, self._make_seat)
        self.inboxes.watch(self.active)
        self.herald.reloaded()
        for model in dict.fromkeys(rule.recipe.model for rule in self.active):
            if model not in models:
                self.dispatcher.warm(Warm(model))
        _log.info(
            "the configuration was read anew: %s",
            differences(before, settings),
            extra=log.fields(log.Event.RELOADED),
        )

    def _is_drained(self) -> bool:
        views = self.inboxes.views()
        idle = all(view.first_scan_done and not view.settling for view in views)
        names = [rule.name for rule in self.active]
        return (
            idle
            and self._events.is_empty
            and not self.dispatcher.flights
            and not self.sources.is_busy
            and not self.herald.is_busy
            and not self.store.ready(names, self.clock.now())
        )

    def _tell_systemd(self) -> None:
        self._round_at = self.clock.monotonic()
        views = self.inboxes.views()
        self._readiness.tell(views, self.dispatcher.seats, needs_model=bool(self.active))


def _has_changed(order: Order) -> bool:
    """Since it was read: an arrival that came while its job ran was not queued."""
    try:
        found = fingerprint(order.source)
    except OSError:
        return False
    return (
        found is not None and order.fingerprint is not None and not found.matches(order.fingerprint)
    )


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
    return Supervisor(settings, dirs, seams, once=once, load=load).run()
