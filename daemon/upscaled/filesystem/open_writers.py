"""Whether somebody has a file open to write into it.

A file that has been quiet for a while need not be complete: a copy over Wi-Fi stalls, Samba and
`rsync --preallocate` make a file as large as it will be before its first byte. The kernel knows:
it refuses a read lease on a file that is open for writing (fcntl(2), "Leases").
"""

import contextlib
import errno
import fcntl
import os
import signal
from pathlib import Path

from upscaled.filesystem.mounts import mount_of_open, read_mounts


def is_open_for_writing(path: Path | bytes) -> bool | None:
    """None: it cannot be told here (another user's file, another machine's disk, no such file).

    8 µs for each file; whoever opens it to write in the meantime waits as long.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        # Somebody, most likely Samba, has a lease of its own on it.
        return True if error.errno == errno.EWOULDBLOCK else None
    try:
        return _has_writer(fd)
    finally:
        os.close(fd)


def _has_writer(fd: int) -> bool | None:
    try:
        # Whoever breaks the lease makes the kernel send a signal. By default that is SIGIO, which
        # ends a process; this one is ignored.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        # A server that grants no delegation to this machine answers the same.
        if error.errno == errno.EAGAIN and not _is_elsewhere(fd):
            return True
        return None
    with contextlib.suppress(OSError):
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def _is_elsewhere(fd: int) -> bool:
    mount = mount_of_open(fd, read_mounts())
    return mount is None or mount.blind
