"""The root of an inbox: is it there, and is it still the same directory?"""

import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RootState:
    identity: tuple[int, int] | None
    """(device, inode) of the directory; None where there is none to be read."""
    reason: str | None = None


def check_root(path: bytes) -> RootState:
    """Never raises, and needs no file descriptor. A root that is a symlink is what it points to."""
    root = Path(os.fsdecode(path))
    try:
        status = root.stat()
    except FileNotFoundError:
        return RootState(None, "the inbox does not exist")
    except OSError as error:
        return RootState(None, f"the inbox cannot be read ({error.strerror})")
    if not stat.S_ISDIR(status.st_mode):
        return RootState(None, "the inbox is not a directory")
    if not os.access(root, os.R_OK | os.X_OK):
        return RootState(None, "the inbox cannot be read (Permission denied)")
    return RootState((status.st_dev, status.st_ino))


def suspended_s() -> float:
    """Seconds this machine has slept since it was started: they grow over a suspend."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
