"""Who holds a state folder, and where it listens: as its lock tells, whatever the socket says.

Cron, `su` and a login without PAM have another `$XDG_RUNTIME_DIR` or none, and logind removes the
folder when the last session ends, while the daemon lives on.
"""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

_MOST_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Holder:
    pid: int | None
    """None: it could not write it down; its disk was full."""
    socket: Path | None


def noted(pid: int, socket: Path) -> bytes:
    """What a lock says of its holder: two lines; a path may hold anything but the end of them."""
    return b"%d\n%s\n" % (pid, os.fsencode(socket))


def holder_of(lock: Path) -> Holder | None:
    """None: nobody holds it."""
    try:
        fd = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # Shared: two that look at once do not see each other.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(os.pread(fd, _MOST_BYTES, 0))
    except OSError:
        return None
    finally:
        os.close(fd)
    return None


def _read(note: bytes) -> Holder:
    pid, _, rest = note.partition(b"\n")
    socket = rest.removesuffix(b"\n")
    return Holder(
        int(pid) if pid.isdigit() else None, Path(os.fsdecode(socket)) if socket else None
    )
