"""No thread of the daemon dies unseen: systemd starts a daemon that lost one again, whole."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from upscaled.clock import Clock
from upscaled.errors import UpscaledError
from upscaled.service.events import ThreadCrashed
from upscaled.watch.spec import InboxView

_log = logging.getLogger(__name__)

_AWAY_S = 10.0
"""A round takes milliseconds: after so long this process was stopped, or the machine slept."""
_MENDED = ("inotify:", "sweep:")
"""Begin the names of threads that may die: an inbox starts its reader again, a sweep is begun again
by the next start."""


@contextmanager
def watched(deliver: Callable[[ThreadCrashed], None]) -> Iterator[None]:
    """While this lasts, each thread of this process that ends by an exception is told."""
    before = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        before(args)
        name = args.thread.name if args.thread is not None else "?"
        if not name.startswith(_MENDED):
            deliver(ThreadCrashed(name, f"{args.exc_type.__name__}: {args.exc_value}"))

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


def fallen(fell: ThreadCrashed) -> UpscaledError:
    """The end of the daemon; systemd starts it again."""
    return UpscaledError(
        f"the thread {fell.thread} died: {fell.reason}",
        hint="this is a bug; the log has its traceback: journalctl --user -u upscaled",
    )


class Liveness:
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
        """A round of the main thread is over."""
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
            raise UpscaledError(f"{view.root} is no longer watched: {view.reason}")
