"""A download in a process of its own: it can be stopped at any moment and leaves nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from upscaled.errors import StopRequested

POLL_S = 0.1
LOG = "child.log"
TEMPORARY = "tmp"


def run_guarded(
    arguments: Sequence[str],
    folder: Path,
    *,
    tick: Callable[[], None],
    cancelled: Callable[[], bool],
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run the Python module `arguments[0]` in `folder` until it ends; its exit status.

    What it says is in `folder/child.log`, its temporary files are below `folder`. `tick` is
    called about ten times a second.

    Raises:
        Interrupted: `cancelled` said so; the child and its children are gone.
    """
    temporary = folder / TEMPORARY
    temporary.mkdir(exist_ok=True)
    with (folder / LOG).open("wb") as output:
        child = subprocess.Popen(  # noqa: S603  fixed program, no shell
            [sys.executable, "-P", "-m", "upscaled.models.download.child_guard", *arguments],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=folder,
            env={**os.environ, **(environment or {}), "TMPDIR": str(temporary)},
            start_new_session=True,
        )
    try:
        while True:
            try:
                return child.wait(POLL_S)
            except subprocess.TimeoutExpired:
                if cancelled():
                    raise StopRequested("stopped while a model was fetched") from None
                tick()
    finally:
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    if child.stdin:
        child.stdin.close()
