"""What the desktop is told: one notification for a batch, however large it is."""

import logging
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from upscaled.clock import Clock
from upscaled.job import Order
from upscaled.log import escape
from upscaled.outcomes import Done, Outcome

_log = logging.getLogger(__name__)

_QUIET_S = 3.0
"""Files that are dropped together come within seconds: they are one batch."""
_LONGEST_S = 900.0
"""A batch of thousands is told of now and then."""
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Announcement:
    title: str
    body: str
    is_failure: bool = False


class Announcements:
    """What ended since the desktop was last told. Pure."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._forget()

    def _forget(self) -> None:
        self._done: list[str] = []
        self._failed: list[str] = []
        self._folder = ""
        self._since = self._last = self._clock.monotonic()

    def add(self, order: Order, outcome: Outcome) -> None:
        self._last = self._clock.monotonic()
        if not self._done and not self._failed:
            self._since = self._last
        if isinstance(outcome, Done):
            self._done.append(outcome.result.path.name)
            self._folder = str(outcome.result.path.parent)
        else:
            self._failed.append(order.source.name)

    def take(self, wanted: str, *, is_idle: bool) -> Announcement | None:
        """What is to be said now. `wanted`: `all`, `failures` or `none`."""
        now = self._clock.monotonic()
        is_over = is_idle and now - self._last >= _QUIET_S
        if not (self._done or self._failed) or not (is_over or now - self._since >= _LONGEST_S):
            return None
        said = self._describe()
        is_wanted = wanted == "all" or (wanted == "failures" and self._failed)
        self._forget()
        return said if is_wanted else None

    def _describe(self) -> Announcement:
        done, failed = len(self._done), len(self._failed)
        if not failed:
            body = f"{self._done[0]} in {self._folder}" if done == 1 else f"in {self._folder}"
            return Announcement(f"{_count(done)} upscaled", escape(body))
        title = f"{_count(failed)} could not be upscaled"
        others = f"; {_count(done)} done" if done else ""
        body = f"{self._failed[0]}{' and others' if failed > 1 else ''}{others}: upscaled status"
        return Announcement(title, escape(body), is_failure=True)


def _count(number: int) -> str:
    return "1 image" if number == 1 else f"{number} images"


def find_notifier(environ: Mapping[str, str]) -> str | None:
    """`notify-send`, where it is installed and there is a session bus to speak on."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    has_bus = bool(environ.get("DBUS_SESSION_BUS_ADDRESS")) or (
        Path(runtime).is_absolute() and Path(runtime, "bus").exists()
    )
    return shutil.which("notify-send", path=environ.get("PATH")) if has_bus else None


def announce(program: str, said: Announcement) -> None:
    """Takes up to ten seconds; that nobody shows it is no trouble."""
    urgency = "normal" if said.is_failure else "low"
    words = ["--app-name=upscaled", f"--urgency={urgency}", "--icon=image-x-generic", "--"]
    try:
        subprocess.run(  # noqa: S603 (no shell; names are behind --)
            [program, *words, said.title, said.body],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ},
            timeout=_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        _log.debug("the desktop was not told: %s", error)
