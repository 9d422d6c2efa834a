"""A small program that holds a user's command on a leash, and outlives the worker by a moment.

The command and all that it started are killed, and the folder that it works in is removed, once
nobody holds the other end of its stdin any more: also where the worker was killed with SIGKILL.

Over stdin comes one JSON list, the words of the command; over stdout go `ready`, then one answer:
`status N` as `os.waitstatus_to_exitcode` has it, or `errno N` where it cannot be started. Only the
standard library is imported, and little of it: it starts in 20 ms.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import sys
from pathlib import Path

SAID = "said"
"""What the command writes to its stdout and stderr, in its folder."""


def main(folder: str) -> None:
    """Raises: OSError: the folder cannot be made."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    Path(folder).mkdir(0o700)
    try:
        _tell("ready")
        if line := sys.stdin.buffer.readline():
            _run(json.loads(line), folder)
            # The answer is read, and then what the command wrote.
            sys.stdin.buffer.read()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(words: list[str], folder: str) -> None:
    os.chdir(folder)
    said = os.open(SAID, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        child = os.posix_spawnp(
            words[0],
            words,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, nothing, 0),
                (os.POSIX_SPAWN_DUP2, said, 1),
                (os.POSIX_SPAWN_DUP2, said, 2),
            ],
            setsid=True,
            setsigdef=[signal.SIGTERM, signal.SIGPIPE],
        )
    except OSError as error:
        _tell(f"errno {error.errno}")
        return
    ended = os.pidfd_open(child)
    try:
        ready, _, _ = select.select([ended, sys.stdin.fileno()], [], [])
        status = os.waitpid(child, 0)[1] if ended in ready else None
    finally:
        # Also what it left running: a child of its own may hold on to the files.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
    if status is None:
        os.waitpid(child, 0)
    else:
        _tell(f"status {os.waitstatus_to_exitcode(status)}")


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
