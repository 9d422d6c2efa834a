"""`upscaled status`: problems first, then what runs, then a row a rule."""

import json
import time
from pathlib import Path
from typing import Any

import click

from upscaled.cli.options import config_option, json_option
from upscaled.control.client import ask
from upscaled.control.protocol import Request
from upscaled.dirs import Dirs, find_dirs
from upscaled.errors import ControlError, DaemonNotRunning, ExitCode, StoreError
from upscaled.service.report import build_report
from upscaled.store.views import Overview, open_views

_SOME, _ALL = 10, 100_000


@click.command("status", short_help="What is going on.")
@config_option
@json_option
@click.option("--all", "everything", is_flag=True, help="All that there is to say.")
@click.option("--check", is_flag=True, help="Exit 5 if anything is wrong, for monitors.")
@click.option("-w", "--watch", is_flag=True, help="Again each second, until Ctrl-C.")
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
    dirs, most = find_dirs(), _ALL if everything else _SOME
    if watch:
        from upscaled.cli.watching import watch_status  # noqa: PLC0415 (for this option alone)

        watch_status(lambda: gather(dirs, most=most), as_json=as_json, everything=everything)
    report = gather(dirs, most=most)
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        # Not for --json.
        from upscaled.cli.screens import out  # noqa: PLC0415
        from upscaled.cli.screens.status import status_lines  # noqa: PLC0415

        out.write(status_lines(report, out.width(), time.time(), everything=everything))
    return exit_code(report, check=check)


def exit_code(report: dict[str, Any], *, check: bool) -> ExitCode:
    if not report["daemon"]["running"]:
        return ExitCode.NOT_RUNNING
    if check and (report["problems"] or report["failed"]):
        return ExitCode.DEGRADED
    return ExitCode.OK


def gather(dirs: Dirs, *, most: int = 10) -> dict[str, Any]:
    """The report on the daemon of these folders, as far as it can be known."""
    trouble: list[dict[str, str | None]] = []
    live, silent = None, False
    try:
        live = ask(dirs.socket, Request("status"))
    except DaemonNotRunning:
        pass
    except ControlError as error:
        silent = True
        trouble.append({"what": error.message, "hint": error.hint})
    overview = Overview()
    if dirs.store.exists():
        try:
            with open_views(dirs.store) as views:
                overview = views.overview(time.time(), most=most)
        except StoreError as error:
            # Half made by a daemon that waits for room: it says so itself.
            if not (live or {}).get("opening"):
                trouble.append({"what": error.message, "hint": error.hint})
    elif live is not None and not live.get("opening"):
        what = f"the job database {dirs.store} was moved or deleted while the daemon runs"
        trouble.append({"what": what, "hint": "upscaled down; upscaled up"})
    return build_report(overview, live, trouble, silent=silent)
