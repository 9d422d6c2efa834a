"""Disks that do not answer: whoever touches a dead network mount is held by the kernel, for ever.

No call can be told to give up, so it is made by a thread that may be left behind.
"""

import contextlib
import errno
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from upscaled.filesystem.mounts import mount_of, read_mounts

T = TypeVar("T")


def call_with_timeout(limit_s: float, call: Callable[[], T]) -> T:
    """What `call` gives or raises.

    Raises:
        TimeoutError: it did neither in time (an OSError of ETIMEDOUT).
    """
    given: list[T] = []
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            given.append(call())
        except BaseException as error:  # noqa: BLE001 (the caller gets it)
            raised.append(error)

    thread = threading.Thread(target=ask, name="asks a disk", daemon=True)
    thread.start()
    thread.join(limit_s)
    if raised:
        raise raised[0]
    if not given:
        raise TimeoutError(errno.ETIMEDOUT, f"the disk did not answer in {limit_s:g} s")
    return given[0]


def find_unresponsive(folders: Iterable[Path], limit_s: float) -> frozenset[Path]:
    """Those that cannot be looked at: nothing came back in time. One thread, if all answer."""
    waiting, found = list(dict.fromkeys(folders)), set[Path]()
    mounts = read_mounts()
    while waiting:
        answered: list[Path] = []
        thread = threading.Thread(
            target=_look_at, args=(tuple(waiting), answered), name="asks disks", daemon=True
        )
        thread.start()
        count = -1
        while thread.is_alive() and len(answered) > count:
            count = len(answered)
            thread.join(limit_s)
        rest = waiting[len(answered) :] if thread.is_alive() else []
        if rest:
            dead = mount_of(os.fsencode(rest[0]), mounts)
            # Of the others on that disk each would take as long again.
            found |= {
                folder
                for folder in rest
                if folder == rest[0] or (dead and mount_of(os.fsencode(folder), mounts) == dead)
            }
        waiting = [folder for folder in rest if folder not in found]
    return frozenset(found)


def _look_at(folders: tuple[Path, ...], answered: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.stat()
        answered.append(folder)


def ask_until_it_answers(path: Path) -> threading.Thread:
    """A thread that ends once this can be looked at, or is told that it cannot."""
    thread = threading.Thread(target=_look_at, args=((path,), []), name="asks a disk", daemon=True)
    thread.start()
    return thread


def is_uninterruptible(thread: threading.Thread) -> bool:
    """Whether it waits within the kernel, where no signal but SIGKILL reaches it: state D."""
    return _is_uninterruptible(Path(f"/proc/self/task/{thread.native_id}/stat"))


def holds_any_thread(pid: int) -> bool:
    """Whether a thread of that process waits so."""
    with contextlib.suppress(OSError):
        return any(map(_is_uninterruptible, Path(f"/proc/{pid}/task").glob("*/stat")))
    return False


def _is_uninterruptible(stat: Path) -> bool:
    try:
        line = stat.read_bytes()
    except OSError:
        return False
    # proc_pid_stat(5): the name before it may hold anything, brackets too.
    return line.rpartition(b")")[2].split()[:1] == [b"D"]
