"""Tells systemd how the daemon is: the protocol of sd_notify(3), without its library."""

import logging
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import MutableMapping

from upscaled.clock import Clock, SystemClock
from upscaled.log import escape

logger = logging.getLogger(__name__)

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
SEND_TIMEOUT_S = 1.0
"""A frozen manager does not read its socket; the daemon must not freeze with it."""


class Notifier(ABC):
    """What is said, in the words of sd_notify(3). Twin in memory: `tests/support/fakes.py`.

    No method raises, and none waits longer than a second: whether somebody listens is no
    concern of the daemon.
    """

    watchdog_interval_s: float | None = None
    """How often `watchdog` has to be called; None: nobody watches."""

    @abstractmethod
    def send(self, *assignments: str) -> None:
        """All assignments (`READY=1`) in one message."""

    def ready(self, status: str) -> None:
        """The start, or a reload, is complete."""
        self.send("READY=1", _status(status))

    def status(self, text: str) -> None:
        """What `systemctl status` shows; one line."""
        self.send(_status(text))

    def watchdog(self) -> None:
        """Everything made progress since the last time."""
        self.send("WATCHDOG=1")

    def reloading(self, clock: Clock | None = None) -> None:
        """The configuration is being read anew; `ready` has to follow."""
        now_us = int((clock or SystemClock()).monotonic() * 1_000_000)
        self.send("RELOADING=1", f"MONOTONIC_USEC={now_us}")

    def stopping(self, status: str) -> None:
        """The end has begun."""
        self.send("STOPPING=1", _status(status))

    def extend_timeout(self, seconds: float) -> None:
        """Start, stop or reload may take `seconds` from now on."""
        self.send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")


class NoNotifier(Notifier):
    """Started by hand: nobody listens."""

    def send(self, *assignments: str) -> None:
        pass


class SystemdNotifier(Notifier):
    """Sends to the socket that systemd named, which may be an abstract one (`@…`)."""

    def __init__(self, address: str, watchdog_interval_s: float | None = None) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_interval_s = watchdog_interval_s

    def send(self, *assignments: str) -> None:
        message = "\n".join(assignments).encode("utf-8", "backslashreplace")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(SEND_TIMEOUT_S)
                sender.connect(self._address)
                sender.send(message)
        except OSError as error:
            logger.debug("systemd was not told %s: %s", assignments[0], error)


def find_notifier(environ: MutableMapping[str, str] | None = None) -> Notifier:
    """The notifier for this process; what systemd said is taken out of the environment.

    A worker that inherited it would speak in the daemon's name.
    """
    environ = os.environ if environ is None else environ
    address, watchdog_us, pid = (environ.pop(name, "") for name in VARIABLES)
    if not address.startswith(("/", "@")):
        return NoNotifier()
    number = int(watchdog_us) if watchdog_us.isascii() and watchdog_us.isdigit() else 0
    watched = number > 0 and pid in ("", str(os.getpid()))
    # Half of what systemd allows, as sd_watchdog_enabled(3) recommends.
    return SystemdNotifier(address, number / 2_000_000 if watched else None)


def _status(text: str) -> str:
    return f"STATUS={escape(text)}"
