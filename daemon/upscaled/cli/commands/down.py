"""`upscaled down`: stop the daemon and wait until it is gone."""

import os
import signal
import time
from pathlib import Path

import click

from upscaled.cli.options import config_option
from upscaled.control.client import ask
from upscaled.control.holder import holder_of
from upscaled.control.protocol import Request
from upscaled.dirs import find_dirs
from upscaled.errors import ControlError, DaemonUnreachable

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
    try:
        ask(dirs, Request("stop"))
    except DaemonUnreachable as error:
        if error.pid is None:
            raise
        os.kill(error.pid, signal.SIGTERM)
    deadline = time.monotonic() + _WAIT_S
    while holder_of(dirs.lock) is not None:
        if time.monotonic() > deadline:
            raise ControlError(
                f"the daemon did not stop in {_WAIT_S:.0f} s", hint="see upscaled status"
            )
        time.sleep(0.05)
    click.echo("stopped", err=True)
