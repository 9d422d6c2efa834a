"""What must live: a daemon of which a part has died ends, and systemd starts it again whole."""

import logging
from collections.abc import Callable, Mapping, Sequence

from upscaled.clock import Clock
from upscaled.errors import UpscaledError
from upscaled.service.events import ThreadCrashed
from upscaled.service.threads import fallen
from upscaled.watch.spec import InboxView

_log = logging.getLogger(__name__)

_AWAY_S = 10.0
"""A round takes milliseconds: after so long this process was stopped, or the machine slept."""


class Vitals:
    def __init__(
        self, clock: Clock, threads: Mapping[str, Callable[[], bool]], came_back: Callable[[], None]
    ) -> None:
        """`threads`: whether each lives. `came_back` is called after an absence of all."""
        self._clock = clock
        self._threads = threads
        self._came_back = came_back
        self._round_at = clock.monotonic()

    def dead(self) -> list[str]:
        """Threads that have ended."""
        return [name for name, is_alive in self._threads.items() if not is_alive()]

    def beat(self) -> None:
        """A round of the supervisor is over."""
        self._round_at = self._clock.monotonic()

    def notice_absence(self) -> None:
        away_s = self._clock.monotonic() - self._round_at
        if away_s > _AWAY_S:
            _log.warning("this process stood still for %.0f s", away_s)
            self._came_back()


def check(dead: Sequence[str], views: Sequence[InboxView]) -> None:
    """Raises UpscaledError, which ends the daemon, where a thread or an inbox is dead."""
    if dead:
        raise fallen(ThreadCrashed(dead[0], "it ended without an error"))
    for view in views:
        if not view.alive:
            raise UpscaledError(f"nobody watches {view.root} any more: {view.reason}")
