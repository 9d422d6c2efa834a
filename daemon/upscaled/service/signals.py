"""Signals become events; who waits for events needs no handler of its own."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from upscaled.service.mailbox import Signalled

_CAUGHT = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def caught(deliver: Callable[[Signalled], None]) -> Iterator[None]:
    """While this lasts, the signals that ask for an end or a reload are delivered."""

    def handle(number: int, _frame: object) -> None:
        deliver(Signalled(number))

    before = [signal.signal(number, handle) for number in _CAUGHT]
    try:
        yield
    finally:
        for number, handler in zip(_CAUGHT, before, strict=True):
            signal.signal(number, handler)
