"""`upscaled down`: stop the daemon and wait until it is gone."""

import fcntl
import os
import time
from pathlib import Path

import click

from upscaled.cli.options import config_option
from upscaled.control.client import ask
from upscaled.control.protocol import Request
from upscaled.dirs import find_dirs
from upscaled.errors import ControlError

_WAIT_S = 15.0


@click.command("down", short_help="Stop the daemon.")
@config_option
def down_command(config: tuple[Path, ...]) -> None:  # noqa: ARG001 (each command takes it)
    """Stop the daemon at the end of the tile it is at; nothing is lost.

    \b
    Example:
      upscaled down
    """
    dirs = find_dirs()
    ask(dirs.socket, Request("stop"))
    deadline = time.monotonic() + _WAIT_S
    while _is_held(dirs.lock):
        if time.monotonic() > deadline:
            raise ControlError(
                f"the daemon did not stop in {_WAIT_S:.0f} s", hint="see upscaled status"
            )
        time.sleep(0.05)
    click.echo("stopped", err=True)


def _is_held(lock: Path) -> bool:
    """Whether a daemon lives: the kernel knows, whatever the socket says."""
    try:
        fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
