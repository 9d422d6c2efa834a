"""The state folder at the start: where it cannot be used yet, the daemon waits for it and says so.

A daemon that ended would be given up by systemd after six tries, and stay away once there is room.
"""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeVar

from upscaled.clock import Clock
from upscaled.config.settings import Settings
from upscaled.control.server import Server, refuse
from upscaled.dirs import Dirs
from upscaled.errors import ControlError, StoreUnavailable
from upscaled.service import lock
from upscaled.service.events import ControlRequest, Event, EventQueue, Signalled, ThreadCrashed
from upscaled.service.status.live import live_status
from upscaled.service.status.snapshot import Snapshot
from upscaled.service.status.systemd_notify import Notifier
from upscaled.service.store_retry import StoreRetry
from upscaled.service.threads import fallen
from upscaled.store.jobs import Store

T = TypeVar("T")

_START_S = 60.0
"""What systemd is asked for again and again; it would end a start of three minutes."""


class Startup:
    """Lock, control socket and database, in this order: who has not the lock serves nobody."""

    def __init__(
        self,
        settings: Settings,
        dirs: Dirs,
        clock: Clock,
        notifier: Notifier,
        events: EventQueue,
        *,
        waits: bool,
    ) -> None:
        """`waits`: else the first trouble is raised."""
        self._settings = settings
        self._dirs = dirs
        self._clock = clock
        self._started = clock.monotonic()
        self._notifier = notifier
        self._waits = waits
        self._retry = StoreRetry(
            events,
            clock,
            is_urgent=lambda event: isinstance(event, ControlRequest | Signalled | ThreadCrashed),
            attend=self._attend,
            relieved=lambda: None,
        )
        self._server = Server(
            dirs.socket, lambda request, reply: events.put(ControlRequest(request, reply))
        )

    def enter(self, held: ExitStack) -> tuple[Store, Server] | None:
        """All three, let go with `held`; None: told to stop before they could be had.

        Raises:
            DaemonAlreadyRunning: another one holds this state directory.
            StoreError: the database cannot be used, now or ever.
            ControlError: the runtime folder cannot be used.
        """
        try:
            self._wait_for(
                lambda: held.enter_context(lock.hold(self._dirs.lock, self._dirs.socket))
            )
            self._wait_for(self._listen)
            held.callback(self._server.stop)
            store = self._wait_for(lambda: Store.open(self._dirs.store))
        except StoreUnavailable:
            if self._waits:
                return None
            raise
        held.callback(store.close)
        return store, self._server

    def _wait_for(self, step: Callable[[], T]) -> T:
        return self._retry.call(step) if self._waits else step()

    def _listen(self) -> None:
        try:
            self._server.start()
        except ControlError as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno in lock.PASSING:
                raise StoreUnavailable(error.message, hint=error.hint) from error
            raise

    def _attend(self, event: Event | None) -> bool:
        trouble = self._retry.trouble or StoreUnavailable()
        match event:
            case ControlRequest(request, reply):
                if not reply.set_running_or_notify_cancel():
                    pass
                elif request.do == "status":
                    reply.set_result(self._status(trouble))
                elif request.do == "stop":
                    reply.set_result({})
                    return False
                else:
                    refuse(reply, trouble)
            case ThreadCrashed():
                raise fallen(event)
            case Signalled(number):
                # A configuration that has changed is read when all is there.
                return number == signal.SIGHUP
            case _:
                self._notifier.extend_timeout(_START_S)
                self._notifier.status(f"waits: {trouble.message}")
                self._notifier.watchdog()
        return True

    def _status(self, trouble: StoreUnavailable) -> dict[str, Any]:
        now = self._clock.now()
        snapshot = Snapshot(
            store=self._dirs.store,
            settings=self._settings,
            now=now,
            monotonic=self._clock.monotonic(),
            started_at=now - (self._clock.monotonic() - self._started),
            is_opening=True,
            store_trouble=trouble,
        )
        return live_status(snapshot)
