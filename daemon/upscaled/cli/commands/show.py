"""`upscaled show ID`: one job and its history."""

import json
import time
from pathlib import Path

import click

from upscaled.cli.completers import complete_jobs
from upscaled.cli.options import config_option, json_option
from upscaled.cli.screens import out
from upscaled.cli.screens.job import job_lines
from upscaled.dirs import find_dirs
from upscaled.errors import UsageError
from upscaled.service.report import job_report
from upscaled.store.views import open_views


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
            hint="ids stand in: upscaled queue, upscaled failed, upscaled why FILE",
        )
    report = job_report(job, history)
    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    out.write(job_lines(report, out.width(), time.time()))
