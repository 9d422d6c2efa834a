"""No thread of the daemon dies unseen: there is no half-alive daemon."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from upscaled.errors import UpscaledError
from upscaled.service.events import ThreadCrashed

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
