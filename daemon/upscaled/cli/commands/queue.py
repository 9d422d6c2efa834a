"""`upscaled queue`, `failed` and `show`: jobs, whether or not the daemon runs."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from upscaled.cli.completers import complete_jobs, complete_rules
from upscaled.cli.options import config_option, json_option
from upscaled.cli.screens import out
from upscaled.cli.screens.job_lines import job_lines
from upscaled.cli.screens.job_tables import failed_lines, queue_lines
from upscaled.cli.screens.layout import Line
from upscaled.dirs import find_dirs
from upscaled.errors import UsageError
from upscaled.service.status.report import job_report, jobs_report
from upscaled.store.views import JobView, RuleCounts, Views, open_views

_SOME, _ALL = 50, 1_000_000

Lay = Callable[[dict[str, Any], int, float], list[Line]]
Look = Callable[[Views, list[str], int], tuple[JobView, ...]]
Count = Callable[[RuleCounts], int]


def _list(name: str, short: str, about: str, *, look: Look, count: Count, lay: Lay) -> Any:
    @click.option("-r", "--rule", help="Only this rule.", shell_complete=complete_rules)
    @click.option("--all", "everything", is_flag=True, help=f"All, not the first {_SOME}.")
    @config_option
    @json_option
    def command(
        rule: str | None,
        config: tuple[Path, ...],  # noqa: ARG001 (each command takes it)
        *,
        everything: bool,
        as_json: bool,
    ) -> None:
        now = time.time()
        with open_views(find_dirs().store) as views:
            counts = views.counts(now)
            rules = [known for known in counts if rule in (None, known)]
            if rule is not None and not rules:
                names = ", ".join(counts) or "none yet"
                raise UsageError(f"no job of a rule {rule!r}", hint=f"rules with jobs: {names}")
            jobs = look(views, rules, _ALL if everything else _SOME)
        report = jobs_report(jobs, sum(count(counts[known]) for known in rules))
        if as_json:
            click.echo(json.dumps(report, indent=2))
        else:
            out.write(lay(report, out.width(), now))

    command.__doc__ = f"{about}\n\n\b\nExample:\n  upscaled {name}\n  upscaled {name} --json"
    return click.command(name, short_help=short)(command)


queue_command = _list(
    "queue",
    "What runs and what waits.",
    "List what runs, then what waits, in the order in which it is taken.",
    look=lambda views, rules, most: views.queue(rules, most=most),
    count=lambda counts: counts.running + counts.waiting,
    lay=queue_lines,
)
failed_command = _list(
    "failed",
    "What failed, and why.",
    "List what failed, the last first, each with its reason.",
    look=lambda views, rules, most: views.failed(rules, most=most),
    count=lambda counts: counts.failed,
    lay=failed_lines,
)


@click.command("show", short_help="A job and its history.")
@click.argument("job_id", metavar="ID", type=int, shell_complete=complete_jobs)
@config_option
@json_option
def show_command(job_id: int, config: tuple[Path, ...], *, as_json: bool) -> None:  # noqa: ARG001 (each command takes it)
    """Show a job: where it came from, where its result is, and what happened to it.

    \b
    Example:
      upscaled show 17
    """
    with open_views(find_dirs().store) as views:
        job = views.job(job_id)
        history = views.history(job_id)
    if job is None:
        raise UsageError(
            f"there is no job {job_id}",
            hint="list job IDs with: upscaled queue, upscaled failed, upscaled why FILE",
        )
    report = job_report(job, history)
    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    out.write(job_lines(report, out.width(), time.time()))
