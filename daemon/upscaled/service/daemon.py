"""The daemon: one thread that decides.

Inboxes, the workers' listeners, the control socket and signals only put events on its queue; it
takes them one by one, steps its parts, and sleeps until the next. What it is made of: `parts`.
"""

import contextlib
import logging
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from upscaled import log
from upscaled.clock import SystemClock
from upscaled.config.settings import Settings
from upscaled.dirs import Dirs
from upscaled.errors import ExitCode, StoreUnavailable
from upscaled.service.config_changes import differences, questions
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
    caught,
)
from upscaled.service.parts import OpenState, Seams, build
from upscaled.service.queue.crash_recovery import recover, written_folders
from upscaled.service.shutdown import ARRIVING_S, Shutdown, shut
from upscaled.service.startup import Startup
from upscaled.service.status.live import live_status
from upscaled.service.status.snapshot import Snapshot, WorkerView
from upscaled.service.status.systemd_notify import Notifier
from upscaled.service.threads import Liveness, check, fallen, watched
from upscaled.service.workers.devices import count_gpus, devices
from upscaled.service.workers.executor import Died, Said
from upscaled.service.workers.slot import WorkerSlot
from upscaled.watch.spec import ArrivalBatch
from upscaled.worker.messages import Warm

_log = logging.getLogger(__name__)

_TICK_S = 1.0
_PAGE_S = 0.1
"""Between two pages of the past that is forgotten."""
_RECOVERY_S = 120.0
"""What systemd is asked for while results that were cut off are looked at."""
_COUNT_EVERY_S = 2.0
"""The queue is counted for people to read: 100,000 rows take milliseconds."""


class Daemon:
    def __init__(
        self,
        settings: Settings,
        dirs: Dirs,
        seams: Seams,
        opened: OpenState,
        *,
        once: bool = False,
        load: Callable[[], Settings] | None = None,
    ) -> None:
        """`once`: end when all that lies in the inboxes is done. `load`: for a reload."""
        self._parts = parts = build(
            settings,
            dirs,
            seams,
            opened,
            load=load,
            attend=self._attend,
            relieved=self._reset_deadlines,
        )
        self._once = once
        self._started_at = opened.started_at
        self._shutdown = Shutdown(parts.clock)
        threads = {
            "control": lambda: parts.server.is_alive,
            "sources": lambda: parts.cleanup_lanes.is_alive,
        }
        self._liveness = Liveness(parts.clock, threads, self._reset_deadlines)
        self._api = ControlApi(
            parts.store,
            parts.configuration,
            parts.clock,
            status=lambda: live_status(self._snapshot()),
            scan=parts.inboxes.rescan,
            stop=self.stop,
            reload=self.reload,
        )
        self._count_at = 0.0
        self._counted = (0, False)

    def run(self) -> ExitCode:
        """Until it is told to stop.

        Raises:
            StoreError: the database cannot be used any more.
        """
        try:
            self._begin()
            while not self._step():
                pass
        except StoreUnavailable:
            # Told to stop while the disk was full: an end like any other.
            if not self._shutdown.has_begun:
                raise
        finally:
            self._shut()
        return self._result_of_pass() if self._once else ExitCode.OK

    def _begin(self) -> None:
        parts, active = self._parts, self._parts.configuration.active
        parts.notifier.status("Starting: taking up what was cut off")
        parts.notifier.extend_timeout(_RECOVERY_S)
        parts.known_mounts.recall()
        recover(parts.store, parts.owner, parts.clock.now())
        parts.sweeper.step(self._written_folders)
        parts.store.reconsider(questions(active))
        parts.inboxes.watch(active)
        _log.info("watching", extra=log.fields(log.Event.STARTED))

    def _result_of_pass(self) -> ExitCode:
        """How a single pass ended, for scripts."""
        parts = self._parts
        if parts.raw_store.failed_since(self._started_at):
            return ExitCode.ERROR
        names = [rule.name for rule in parts.configuration.active]
        waiting, reason = parts.raw_store.unfinished(names)
        if not waiting:
            return ExitCode.OK
        _log.warning("still waiting: %d%s", waiting, f" ({reason})" if reason else "")
        return ExitCode.TEMPFAIL

    def _shut(self) -> None:
        parts = self._parts
        shut(
            parts.pool,
            parts.inboxes,
            parts.cleanup_lanes,
            parts.clock,
            since=self._shutdown.since,
            on_event=self._handle_last,
        )
        parts.notifications.stop()
        _log.info("stopped", extra=log.fields(log.Event.STOPPED))

    def _handle_last(self, timeout_s: float) -> None:
        # What cannot be recorded now is found by the next start.
        with contextlib.suppress(StoreUnavailable):
            event = self._parts.events.next(timeout_s)
            if not isinstance(event, ThreadCrashed):
                self._handle(event)

    def _step(self) -> bool:
        """One round; whether all is over."""
        parts = self._parts
        self._handle(parts.events.next(self._nap_s()))
        # Before the queue is emptied: what a thread died of was put there before it was dead.
        dead = self._liveness.dead()
        self._liveness.notice_absence()
        while not parts.events.is_empty:
            self._handle(parts.events.next(0))
        if parts.configuration.is_due:
            self.reload()
        parts.cleanup.settle()
        parts.dispatcher.step(parts.configuration.active)
        if not self._shutdown.has_begun:
            parts.pruner.step(parts.configuration.settings.history_s)
            parts.sweeper.step(self._written_folders)
        self._count_queue()
        snapshot = self._snapshot()
        check(dead, snapshot.inboxes)
        for view in snapshot.inboxes:
            if view.mount_identity is not None:
                parts.known_mounts.learn(view.root, view.mount_identity)
        self._tell_systemd(snapshot)
        parts.notifications.step(snapshot)
        if self._once and not self._shutdown.has_begun and self._is_drained(snapshot):
            self.stop()
        return self._is_over()

    def _nap_s(self) -> float:
        parts = self._parts
        due = parts.store.next_wake(parts.clock.now())
        waits = [
            _PAGE_S if parts.pruner.is_busy else _TICK_S,
            due - parts.clock.now() if due is not None else None,
            parts.pool.restart_in_s,
            self._shutdown.grace_s,
        ]
        return max(min(wait for wait in waits if wait is not None), 0.01)

    def _handle(self, event: Event | None) -> None:  # noqa: C901 (a table: a case, a call)
        parts = self._parts
        match event:
            case None:
                pass
            case Said(executor, message):
                parts.dispatcher.on_message(executor, message)
            case Died():
                parts.dispatcher.on_worker_died(event)
            case SourceCleaned():
                parts.cleanup.hear(event)
            case SourceReplaced(source):
                # An arrival that came while its job ran was not queued.
                parts.inboxes.resettle(source)
            case MountObserved(folder, found):
                parts.known_mounts.learn(folder, found)
            case ArrivalBatch():
                parts.intake.take(parts.configuration.active, event)
            case ControlRequest():
                self._api.take(event)
            case PruneScanned():
                parts.pruner.hear(event)
            case ThreadCrashed():
                raise fallen(event)
            case Signalled(number):
                self.reload() if number == signal.SIGHUP else self.stop()

    def _attend(self, event: Event | None) -> bool:
        """While the database cannot be written; False: told to stop."""
        match event:
            case ControlRequest() if event.request.do not in {"status", "stop"}:
                decline(event, self._parts.store_retry.trouble or StoreUnavailable())
            case ControlRequest() | Signalled() | ThreadCrashed():
                self._handle(event)
            case _:
                self._tell_systemd(self._snapshot())
        return not self._shutdown.has_begun

    def _reset_deadlines(self) -> None:
        self._parts.pool.reset_deadlines()

    def stop(self) -> None:
        """Gracefully; asked a second time, at once."""
        if self._shutdown.has_begun:
            self._parts.pool.kill()
            return
        self._shutdown.begin()
        _log.info("stopping at the end of the tile (asked once more: at once)")
        self._parts.readiness.stopping()
        self._parts.pool.begin_stop()

    def _is_over(self) -> bool:
        grace_s, is_stopped = self._shutdown.grace_s, self._parts.pool.is_stopped
        if grace_s is None:
            return False
        if grace_s < 0:
            if not is_stopped:
                _log.warning("the tile takes too long: the worker is killed")
            return True
        return is_stopped and not self._parts.cleanup.is_busy

    def reload(self) -> None:
        """Take a changed configuration; a broken one is refused and the old one stays."""
        parts = self._parts
        if parts.configuration.is_fixed:
            return
        parts.notifier.reloading()
        if (before := parts.configuration.read()) is not None:
            self._take_over(before)
            self._count_at = 0.0
        self._count_queue()
        parts.readiness.ready(self._snapshot())

    def _take_over(self, before: Settings) -> None:
        """Running work goes on with what it was given; jobs of removed rules are held."""
        parts = self._parts
        settings, active = parts.configuration.settings, parts.configuration.active
        parts.pool.reconcile(
            devices(settings, count_gpus()),
            lambda device: parts.workers.differs(before, settings, device),
            settings.keep_alive_s,
        )
        parts.store.reconsider(questions(active))
        parts.inboxes.watch(active)
        parts.notifications.on_reload()
        models = {rule.recipe.model for rule in before.rules if rule.enabled}
        for model in dict.fromkeys(rule.recipe.model for rule in active):
            if model not in models:
                parts.pool.warm(Warm(model))
        _log.info(
            "the configuration was read anew: %s",
            differences(before, settings),
            extra=log.fields(log.Event.RELOADED),
        )

    def _written_folders(self) -> list[Path]:
        return written_folders(rule.delivery for rule in self._parts.configuration.settings.rules)

    def _tell_systemd(self, snapshot: Snapshot) -> None:
        self._liveness.beat()
        self._parts.readiness.tell(snapshot)

    def _count_queue(self) -> None:
        """Not for each snapshot: `status` is answered while the database is not."""
        parts, now = self._parts, self._parts.clock.monotonic()
        if parts.store_retry.trouble is None and now >= self._count_at:
            self._count_at = now + _COUNT_EVERY_S
            self._counted = parts.store.queue()

    def _snapshot(self) -> Snapshot:
        parts = self._parts
        waiting, is_paused = self._counted
        return Snapshot(
            store=parts.dirs.store,
            settings=parts.configuration.settings,
            now=parts.clock.now(),
            monotonic=parts.clock.monotonic(),
            started_at=self._started_at,
            is_ready=parts.readiness.is_ready,
            reload_error=parts.configuration.error,
            store_trouble=parts.store_retry.trouble,
            inboxes=tuple(parts.inboxes.views()),
            workers=tuple(map(_view_of, parts.pool.slots)),
            in_flight=tuple(replace(job) for job in parts.pool.in_flight),
            source_troubles=tuple(parts.cleanup.troubles),
            hook_troubles=parts.notifications.troubles,
            waiting=waiting,
            is_paused=is_paused,
        )

    def _is_drained(self, snapshot: Snapshot) -> bool:
        """For a single pass; what no other round needs is asked for here alone."""
        parts, now = self._parts, self._parts.clock.now()
        if snapshot.in_flight or parts.cleanup_lanes.is_busy or not parts.events.is_empty:
            # The lanes before the events: what they find is put there.
            return False
        names = [rule.name for rule in parts.configuration.active]
        return replace(
            snapshot,
            has_open_ends=parts.cleanup.is_busy or parts.notifications.is_busy,
            is_due_soon=bool(
                parts.store.ready(names, now) or parts.store.retries(names, now, ARRIVING_S)
            ),
        ).is_drained


def _view_of(slot: WorkerSlot) -> WorkerView:
    return WorkerView(
        slot.device,
        slot.worker.pid if slot.worker else None,
        slot.restart_in_s,
        slot.last_death,
        slot.is_stuck,
        replace(slot.report, unusable=dict(slot.report.unusable)),
    )


def run_daemon(
    settings: Settings,
    dirs: Dirs,
    seams: Seams,
    events: EventQueue | None = None,
    *,
    once: bool = False,
    load: Callable[[], Settings] | None = None,
) -> ExitCode:
    """The daemon in this process, until it is told to stop.

    Raises:
        DaemonAlreadyRunning: another one holds this state directory.
        StoreError: the database cannot be used.
    """
    events, started_at = events or EventQueue(), seams.clock.now()
    startup = Startup(settings, dirs, seams.clock, seams.notifier, events, waits=not once)
    with caught(events.put), watched(events.put), contextlib.ExitStack() as held:
        found = startup.enter(held)
        if found is None:
            return ExitCode.OK
        opened = OpenState(events, *found, started_at)
        return Daemon(settings, dirs, seams, opened, once=once, load=load).run()


def real_seams(notifier: Notifier) -> Seams:
    return Seams(SystemClock(), notifier)
