"""`upscaled why FILE`: which rule takes a file or keeps it out, and what became of it."""

import json
import os
import time
from pathlib import Path
from typing import Any

import click

from upscaled import rules
from upscaled.cli.options import config_option, json_option, load_settings
from upscaled.cli.screens.quantities import duration
from upscaled.control.client import ask
from upscaled.control.protocol import Request
from upscaled.dirs import Dirs, find_dirs
from upscaled.errors import ControlError, DaemonNotRunning, StoreError, UsageError
from upscaled.output.source_cleanup import fingerprint
from upscaled.service.status.report import SCHEMA_VERSION, job_report
from upscaled.store.views import JobView, PauseView, open_views
from upscaled.text import escape, printable
from upscaled.watch.ignore import is_passed_over

_MISSING = "there is no such file"


@click.command("why", short_help="Why a file is taken, or is not.")
@click.argument("file", type=click.Path(path_type=Path))
@config_option
@json_option
def why_command(file: Path, config: tuple[Path, ...], *, as_json: bool) -> None:
    """Say which rules take a file, which line of the configuration decides, and what became of it.

    \b
    Example:
      upscaled why ~/Upscale/inbox/photo.png
    """
    # As the watcher names it: `..` is gone, symlinks are not followed.
    path, dirs = Path(os.path.abspath(file)), find_dirs()  # noqa: PTH100 (resolve would follow)
    found = fingerprint(path)
    settings = load_settings(config)
    size_bytes = found.size_bytes if found else None
    match = rules.match(settings.rules, path, size_bytes=size_bytes)
    jobs, pauses = _history(dirs, path)
    hidden = match.rule is not None and match.rule.hidden
    verdict = (
        _MISSING
        if found is None
        else "its name is one of files that are still being written, or are hidden"
        if is_passed_over(os.fsencode(path.name), hidden=hidden)
        else None
    )
    told = [verdict] if verdict else []
    told += [_of_job(job) for job in jobs[:1]]
    if match.rule is not None and not jobs and not verdict and found:
        told.append(_not_yet(dirs, match.rule.settle_s, time.time() - found.mtime_ns / 1e9))
    if match.rule is not None:
        told += [_of_pause(pause) for pause in pauses if pause.rule in ("", match.rule.name)]
    if as_json:
        report = {
            "schema_version": SCHEMA_VERSION,
            "file": printable(str(path)),
            "exists": found is not None,
            "rule": match.rule and match.rule.name,
            "reason": match.reason,
            "verdicts": [_verdict(said) for said in match.verdicts],
            "told": told,
            "jobs": [job_report(job, ()) for job in jobs],
        }
        click.echo(json.dumps(report, indent=2))
    else:
        for said in match.verdicts:
            click.echo(f"{'✓' if said.takes else '✗'} {escape(str(said))}")
        for line in told:
            click.echo(escape(line))
    if found is None and not jobs:
        # One that was done and deleted has its answer above.
        raise UsageError(
            f"{escape(str(path))}: {_MISSING}, and none is known",
            hint="is the name right? what a rule says of such a name stands above",
        )


def _history(dirs: Dirs, path: Path) -> tuple[tuple[JobView, ...], tuple[PauseView, ...]]:
    if not dirs.store.exists():
        return (), ()
    try:
        with open_views(dirs.store) as views:
            return views.jobs_of(path), views.pauses()
    except StoreError as error:
        click.echo(f"what became of it cannot be told: {error.message}", err=True)
        return (), ()


def _of_job(job: JobView) -> str:
    reason = f": {job.reason}" if job.reason else ""
    match job.state:
        case "done":
            same = f", the same image as job {job.duplicate_of}" if job.duplicate_of else ""
            text = f"job {job.id} is done: {job.output}{same}"
            return f"{text}; it is not done again unless it changes (again: upscaled add FILE)"
        case "failed":
            return f"job {job.id} failed{reason} (again: upscaled retry {job.id})"
        case "cancelled":
            return f"job {job.id} was given up{reason} (again: upscaled retry {job.id})"
        case "running":
            return f"job {job.id} runs now"
    wait = job.not_before - time.time()
    again = f", again in {duration(wait)}" if wait > 0 else ""
    return f"job {job.id} waits in the queue{again}{reason} (to the front: upscaled bump {job.id})"


def _of_pause(pause: PauseView) -> str:
    what = f"the rule {pause.rule}" if pause.rule else "everything"
    return f"{what} is paused: {pause.reason} (go on: upscaled resume {pause.rule})".replace(
        " )", ")"
    )


def _not_yet(dirs: Dirs, settle_s: float, age_s: float) -> str:
    """Why a file that a rule takes has no job."""
    try:
        ask(dirs, Request("status"))
    except DaemonNotRunning:
        return "nobody watches: the daemon is not running (start it: upscaled up)"
    except ControlError as error:
        return f"the daemon cannot be asked: {error.message}"
    if 0 <= age_s < settle_s * 2:
        return (
            f"it was written {duration(age_s)} ago, and is taken "
            f"{duration(settle_s)} after the last write"
        )
    return (
        "it was not queued yet (look now: upscaled scan; the daemon may have been started with "
        "another configuration: upscaled reload)"
    )


def _verdict(said: rules.RuleVerdict) -> dict[str, Any]:
    origin = str(said.origin) if said.origin else None
    return {"rule": said.rule, "takes": said.takes, "reason": said.reason, "origin": origin}
