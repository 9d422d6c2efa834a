"""A folder to make a file in, and the lock that says whose it is.

Each thing that can be fetched has a lock file and a folder of the same name, both inside the
models folder, so that a finished file moves to its place by rename. Who holds the lock owns
the folder; what lies in a folder whose lock is free was left by a dead process. The kernel
frees the lock when its process dies, however it dies.
"""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from upscaled.errors import StopRequested

LOCKS = "locks"
SCRATCH = "scratch"
POLL_S = 0.1


@contextmanager
def workspace(
    models_dir: Path, name: str, *, waiting: Callable[[], None], cancelled: Callable[[], bool]
) -> Iterator[Path]:
    """An empty folder that nobody else uses, gone afterwards.

    `waiting` is called while another process has it.

    Raises:
        Interrupted: `cancelled` said so while waiting.
    """
    slug = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    locks = models_dir / LOCKS
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / slug).open("ab") as lock:
        while not _taken(lock.fileno()):
            if cancelled():
                raise StopRequested("stopped while another process fetches the same model")
            waiting()
            time.sleep(POLL_S)
        _sweep(models_dir)
        folder = models_dir / SCRATCH / slug
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sweep(models_dir: Path) -> None:
    """Remove what dead processes left; our own lock is held, so our folder stays."""
    for folder in (models_dir / SCRATCH).glob("*"):
        with (models_dir / LOCKS / folder.name).open("ab") as lock:
            if _taken(lock.fileno()):
                shutil.rmtree(folder, ignore_errors=True)


def settle(finished: Path, target: Path) -> None:
    """Give a finished file its name, durably: it is there whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with finished.open("rb") as file:
        os.fsync(file.fileno())
    finished.replace(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
