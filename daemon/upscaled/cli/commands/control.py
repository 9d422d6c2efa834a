"""Short orders to the running daemon."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from upscaled.cli.completers import complete_failed, complete_rules
from upscaled.cli.options import config_option
from upscaled.control.client import ask
from upscaled.control.protocol import Request
from upscaled.dirs import find_dirs
from upscaled.errors import UsageError


def _order(do: str, **arguments: Any) -> dict[str, Any]:
    return ask(find_dirs().socket, Request(do, arguments))


@click.command("retry", short_help="Queue failed files again.")
@click.argument("job_ids", metavar="[ID]...", type=int, nargs=-1, shell_complete=complete_failed)
@click.option("--all", "everything", is_flag=True, help="All that failed.")
@config_option
def retry_command(job_ids: tuple[int, ...], *, everything: bool, config: tuple[Path, ...]) -> None:  # noqa: ARG001 (each command takes it)
    """Queue failed files again, with their attempts at zero.

    \b
    Example:
      upscaled retry 17
      upscaled retry --all
    """
    if everything == bool(job_ids):
        raise UsageError("give job ids, or --all", hint="upscaled status lists what failed")
    queued = _order("retry", jobs=None if everything else list(job_ids))["queued"]
    click.echo(f"{queued} queued again", err=True)
    if not everything and queued < len(job_ids):
        raise UsageError(
            f"{len(job_ids) - queued} of these ids are not failed jobs",
            hint="upscaled show ID tells the state of a job",
        )


def _rule_order(name: str, short: str, said: str) -> click.Command:
    @click.argument("rule", required=False, default="", shell_complete=complete_rules)
    @config_option
    def command(rule: str, config: tuple[Path, ...]) -> None:  # noqa: ARG001 (each command takes it)
        _order(name, rule=rule)
        click.echo(f"{rule or 'all rules'}: {said}", err=True)

    command.__doc__ = f"{short} Without RULE: all.\n\n\b\nExample:\n  upscaled {name} photos"
    return click.command(name, short_help=short)(command)


def _plain_order(name: str, short: str, say: Callable[[dict[str, Any]], str]) -> click.Command:
    @config_option
    def command(config: tuple[Path, ...]) -> None:  # noqa: ARG001 (each command takes it)
        click.echo(say(_order(name)), err=True)

    command.__doc__ = f"{short}\n\n\b\nExample:\n  upscaled {name}"
    return click.command(name, short_help=short)(command)


pause_command = _rule_order("pause", "Finish what runs, start nothing new.", "paused")
resume_command = _rule_order("resume", "Go on after a pause.", "goes on")
scan_command = _plain_order("scan", "Look through the inboxes now.", lambda _: "scanning")
reload_command = _plain_order(
    "reload",
    "Read the configuration again.",
    lambda reply: f"rules now: {', '.join(reply['rules'])}",
)
