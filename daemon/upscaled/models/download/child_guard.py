"""Run a Python module as `python -m` does, and die as soon as standard input is closed.

    python -P -m upscaled.models.download.child_guard MODULE ARGUMENT…

The parent holds the other end, so however the parent dies, nothing goes on downloading. The
child leads a process group of its own, and all of it goes.
"""

import os
import runpy
import signal
import sys
import threading


def main() -> None:
    # os.read, not sys.stdin: a daemon thread that holds its lock makes the interpreter abort.
    threading.Thread(target=_die_with_parent, daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _die_with_parent() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
