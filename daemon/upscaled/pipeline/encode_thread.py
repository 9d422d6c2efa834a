"""Frames that are written while the next are made.

Measured on two cores with frames of 240×180 px through realesr-animevideov3: encoding is 43 % of
the time as APNG, 41 % as WebP, 69 % as GIF; decoding under 1 %, so it needs no thread. Beside each
other they took 7 % (APNG) and 9 % (WebP) less time, since that network takes both cores for itself;
beside a GPU it has not been measured.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Queue
from typing import Any, TypeVar

Item = TypeVar("Item")
Written = TypeVar("Written")

_BETWEEN = 1
"""Items that wait; one more is being made, and one or two are being written."""
_END = object()


class _Broken(Exception):
    """There will be no more items, and those that came are not all."""


def written_beside(
    items: Iterable[Item], write: Callable[[Iterator[Item]], Written], *, between: int = _BETWEEN
) -> Written:
    """What `write` makes of the items, in a thread of its own; they are made in the caller's.

    That is the device's, and PyTorch keeps a pool of threads for each thread that works with it.
    Where `write` needs no more items, or fails, no more are made.

    Raises: whatever `items` or `write` raise; the thread has ended.
    """
    belt: Queue[Any] = Queue(between)
    ended, broken = threading.Event(), threading.Event()
    arriving = iter(belt.get, _END)

    def whole() -> Iterator[Item]:
        yield from arriving
        if broken.is_set():
            raise _Broken

    def writing() -> Written:
        try:
            return write(whole())
        finally:
            ended.set()
            # The other side may be waiting for room.
            for _ in arriving:
                pass

    with ThreadPoolExecutor(1, thread_name_prefix="write") as pool:
        result = pool.submit(writing)
        try:
            for item in items:
                belt.put(item)
                if ended.is_set():
                    break
        except BaseException:
            broken.set()
            raise
        finally:
            belt.put(_END)
        return result.result()
