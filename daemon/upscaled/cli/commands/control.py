"""Short orders to the running daemon."""

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from upscaled.cli.completers import complete_failed, complete_jobs, complete_rules
from upscaled.cli.options import config_option
from upscaled.control.client import ask
from upscaled.control.protocol import Request
from upscaled.dirs import find_dirs
from upscaled.errors import UsageError
from upscaled.text import escape


def _order(do: str, **arguments: Any) -> dict[str, Any]:
    return ask(find_dirs(), Request(do, arguments))


@click.command("retry", short_help="Queue failed files again.")
@click.argument("job_ids", metavar="[ID]...", type=int, nargs=-1, shell_complete=complete_failed)
@click.option("--all", "everything", is_flag=True, help="All failed jobs.")
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
    ids = list(dict.fromkeys(job_ids))
    reply = _order("retry", jobs=None if everything else ids)
    click.echo(f"{reply['queued']} queued again", err=True)
    if everything:
        if gone := reply.get("moved"):
            why = "their rule moved or deleted the files (where to: upscaled show ID)"
            click.echo(f"{gone} not: {why}", err=True)
        return
    moved: dict[int, str] = dict(reply.get("places", ()))
    left = _left([job for job in ids if job not in moved], reply)
    reasons = {str(job): what for job, what in moved.items()}
    reasons |= {left: "not failed"} if left else {}
    if reasons:
        raise _not_queued(reasons, [place for _, place in reply.get("moved_to", ())])


def _not_queued(reasons: dict[str, str], files: list[str]) -> UsageError:
    """By job, why it was not queued again; `files`: where some of them are now."""
    told = "; ".join(f"{job}: {escape(why)}" for job, why in reasons.items())
    hint = "upscaled show ID tells the state of a job"
    if files:
        added = shlex.join(map(escape, files))
        hint = f"move it back into its inbox, which queues it anew; or: upscaled add {added}"
    return UsageError(f"not queued again: {told}", hint=hint)


def _left(job_ids: Iterable[int], reply: dict[str, Any]) -> str:
    """Which of these nothing was done with, as words; '' for none."""
    # A daemon of an older version does not name them.
    done = set(reply.get("jobs", job_ids))
    return ", ".join(str(job) for job in dict.fromkeys(job_ids) if job not in done)


@click.command("forget", short_help="Remove jobs from the queue or the list of failures.")
@click.argument("job_ids", metavar="[ID]...", type=int, nargs=-1, shell_complete=complete_jobs)
@click.option("--all-failed", "everything", is_flag=True, help="All failed jobs.")
@config_option
def forget_command(job_ids: tuple[int, ...], *, everything: bool, config: tuple[Path, ...]) -> None:  # noqa: ARG001 (each command takes it)
    """Take waiting jobs out of the queue, and failed ones off the list. Files are not touched.

    A file that was forgotten is not taken again until it changes, or `upscaled retry ID` asks.

    \b
    Example:
      upscaled forget 17
      upscaled forget --all-failed
    """
    if everything == bool(job_ids):
        raise UsageError("give job ids, or --all-failed", hint="upscaled failed lists them")
    reply = _order("forget", jobs=None if everything else list(job_ids))
    click.echo(f"{reply['forgotten']} forgotten", err=True)
    if not everything and (left := _left(job_ids, reply)):
        raise UsageError(
            f"these ids neither wait nor failed: {left}",
            hint="upscaled show ID tells the state of a job",
        )


@click.command("bump", short_help="Move jobs to the front of the queue.")
@click.argument(
    "job_ids", metavar="ID...", type=int, nargs=-1, required=True, shell_complete=complete_jobs
)
@config_option
def bump_command(job_ids: tuple[int, ...], config: tuple[Path, ...]) -> None:  # noqa: ARG001 (each command takes it)
    """Put jobs at the front of the queue, in this order.

    \b
    Example:
      upscaled bump 23 17
    """
    reply = _order("bump", jobs=list(dict.fromkeys(job_ids)))
    click.echo(f"{reply['bumped']} next", err=True)
    if left := _left(job_ids, reply):
        raise UsageError(
            f"these ids do not wait: {left}",
            hint="upscaled queue lists what waits",
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
