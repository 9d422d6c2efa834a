"""The root of an inbox: is it there, and is it still the same directory?"""

import errno
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from upscaled.errors import DiskMissing
from upscaled.filesystem import mount_guard
from upscaled.job import MountIdentity

_NO_FILES = frozenset((errno.EMFILE, errno.ENFILE))


@dataclass(frozen=True, slots=True)
class RootState:
    identity: tuple[int, int] | None
    """(device, inode) of the directory; None where there is none to be read."""
    reason: str | None = None
    mount_identity: MountIdentity | None = None
    """What it lies on; None where that could not be found out."""


def check_root(
    path: bytes, before: MountIdentity | None = None, *, required: bool | None = None
) -> RootState:
    """Never raises, and does without a file descriptor where there is none.

    A root that is a symlink is what it points to. Where the disk that it lay on `before` is not
    mounted, or there is none though one is `required`, it is not there: what lies below the
    mount point is not what the user named.
    """
    lies_on = None
    try:
        lies_on = mount_guard.check_mount(Path(os.fsdecode(path)), before, required=required)
    except DiskMissing as error:
        return RootState(None, f"{error.message} ({error.hint})")
    except OSError as error:
        # The look below says the same, in words of its own.
        if error.errno in _NO_FILES:
            lies_on = before
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
    return RootState((status.st_dev, status.st_ino), None, lies_on)


def suspended_s() -> float:
    """Seconds this machine has slept since it was started: they grow over a suspend."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
