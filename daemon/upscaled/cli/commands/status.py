"""`upscaled status`: problems first, then what runs, then a row a rule."""

from functools import partial
from pathlib import Path

import click

from upscaled.cli.fast_status import gather, glance
from upscaled.cli.options import config_option, json_option
from upscaled.dirs import find_dirs


@click.command("status", short_help="Show what the daemon is doing.")
@config_option
@json_option
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Show every job and problem, without the 20-line limit.",
)
@click.option("--check", is_flag=True, help="Exit 5 if anything is wrong, for monitors.")
@click.option("-w", "--watch", is_flag=True, help="Refresh every second until Ctrl-C.")
def status_command(
    config: tuple[Path, ...],  # noqa: ARG001 (each command takes it)
    *,
    as_json: bool,
    everything: bool,
    check: bool,
    watch: bool,
) -> int:
    """Say what is going on. Exit code: 0 running, 3 not running, 5 degraded (--check).

    \b
    Example:
      upscaled status
      upscaled status --watch
      upscaled status --json | jq .rules
    """
    if watch:
        from upscaled.cli.watch_status import watch_status  # noqa: PLC0415 (for this option alone)

        look = partial(gather, find_dirs(), everything=everything)
        watch_status(look, as_json=as_json, everything=everything)
    return glance(as_json=as_json, everything=everything, check=check)
