"""Signals become events; who waits for events needs no handler of its own."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from upscaled.service.events import Signalled

_CAUGHT = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def caught(deliver: Callable[[Signalled], None]) -> Iterator[None]:
    """While this lasts, the signals that ask for an end or a reload are delivered.

    SIGHUP asks for a reload, but for one case: the terminal that it was started in is closed.
    Then nobody looks any more, and it is as good as SIGTERM.
    """
    had_terminal = _has_terminal()

    def handle(number: int, _frame: object) -> None:
        closed = number == signal.SIGHUP and had_terminal and not _has_terminal()
        deliver(Signalled(signal.SIGTERM if closed else number))

    before = [signal.signal(number, handle) for number in _CAUGHT]
    try:
        yield
    finally:
        for number, handler in zip(_CAUGHT, before, strict=True):
            signal.signal(number, handler)


def _has_terminal() -> bool:
    # After a hang-up the descriptor is open still, and answers no more.
    return os.isatty(0)
