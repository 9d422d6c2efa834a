"""`upscaled show ID`: one job and its history."""

import json
import time
from pathlib import Path

import click

from upscaled import log
from upscaled.cli.completers import complete_jobs
from upscaled.cli.options import config_option, json_option
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
        raise UsageError(f"there is no job {job_id}", hint="upscaled status lists jobs")
    report = job_report(job, history)
    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    for key in ("id", "rule", "state", "file", "output", "reason", "hint", "duplicate_of"):
        if report[key] is not None:
            click.echo(f"{key:>12}  {log.escape(str(report[key]))}")
    for note in report["notes"]:
        click.echo(f"{'note':>12}  {log.escape(note)}")
    for part, seconds in report["timings"].items():
        click.echo(f"{part.removesuffix('_s'):>12}  {seconds:.2f} s")
    for name, figure in report["figures"].items():
        click.echo(f"{name:>12}  {figure:g}")
    for entry in report["history"]:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry["at"]))
        detail = f": {log.escape(entry['detail'])}" if entry["detail"] else ""
        click.echo(f"{at}  {entry['event']}{detail}")
