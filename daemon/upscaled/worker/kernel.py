"""What the worker asks of Linux: to die with its parent, and to die first when memory ends."""

import contextlib
import ctypes
import os
import signal
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_OOM_SCORE_MOST = 1000


def die_with_parent(parent_pid: int) -> None:
    """SIGKILL for this process when the thread that started it ends (prctl(2)).

    Raises:
        ProcessLookupError: the parent died before the kernel could be asked.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        raise ProcessLookupError("the supervisor is gone")


def be_killed_first() -> None:
    """Make the OOM killer take the worker, which can be started again, not the supervisor."""
    # Raising one's own score needs no privilege; a container may hide the file.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE_MOST), encoding="ascii")
