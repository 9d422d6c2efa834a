"""One daemon for each state directory: the kernel holds the lock and lets go at death."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from upscaled.control.holder import holder_of, noted
from upscaled.errors import DaemonAlreadyRunning, StoreError, StoreUnavailable

PASSING = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM),
        *(errno.ESTALE, errno.ENODEV, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN),
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOLCK),
    }
)
"""What stands in the way of a folder, and may be mended while one waits."""


@contextmanager
def hold(path: Path, socket: Path) -> Iterator[None]:
    """Hold the lock while the `with` lasts; `socket` is noted in it.

    Raises:
        DaemonAlreadyRunning: another process holds it.
        StoreUnavailable: the state directory cannot be written now.
        StoreError: it never can be.
    """
    fd = -1
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            _take(fd, path, socket)
        except OSError as error:
            kind = StoreUnavailable if error.errno in PASSING else StoreError
            raise kind(
                f"cannot write to the state directory {path.parent}: {error.strerror}",
                hint="check its permissions and free space, "
                "or set $XDG_STATE_HOME to another folder",
            ) from error
        yield
    finally:
        if fd >= 0:
            os.close(fd)


def _take(fd: int, path: Path, socket: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = holder_of(path)
        raise DaemonAlreadyRunning(
            f"a daemon already runs for {path.parent} (pid {(holder and holder.pid) or '?'})",
            hint="see it with: upscaled status; stop it with: upscaled down",
        ) from error
    # On a full disk the lock holds without it.
    with contextlib.suppress(OSError):
        os.ftruncate(fd, 0)
        os.pwrite(fd, noted(os.getpid(), socket), 0)


def owner_id() -> str:
    """Boot id, pid and start time: never the same for two processes, reboots included."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    # Field 22 of stat; the name in field 2 may hold blanks and brackets.
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return f"{boot}:{os.getpid()}:{fields[19]}"
