"""What `upscaled status` says, without click: a person waits for it, and it loads in 25 ms."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from upscaled.control.client import ask
from upscaled.control.protocol import Request
from upscaled.dirs import Dirs, find_dirs
from upscaled.errors import ControlError, DaemonNotRunning, ExitCode, StoreError
from upscaled.service.status.problem import Problem, ProblemCode
from upscaled.service.status.report import build_report
from upscaled.store.views import Overview, open_views

_SOME, _ALL = 10, 100_000
PLAIN = {"--json": "as_json", "--all": "everything", "--check": "check"}
"""Options of `status` that need no parser, and what they are to `glance`."""


def is_plain(arguments: Sequence[str]) -> bool:
    """Whether this is a `status` that click need not look at."""
    return bool(arguments) and arguments[0] == "status" and set(arguments[1:]) <= PLAIN.keys()


def glance_plainly(arguments: Sequence[str]) -> ExitCode:
    """For arguments that are plain."""
    return glance(**{name: flag in arguments for flag, name in PLAIN.items()})


def glance(*, as_json: bool, everything: bool, check: bool) -> ExitCode:
    """Say it on stdout, once."""
    report = gather(find_dirs(), everything=everything)
    if as_json:
        from upscaled.cli.screens.out import say  # noqa: PLC0415 (as below)

        say(json.dumps(report, indent=2))
    else:
        from upscaled.cli.screens import out  # noqa: PLC0415 (not for --json)
        from upscaled.cli.screens.status_screen import status_lines  # noqa: PLC0415

        out.write(status_lines(report, out.width(), time.time(), everything=everything))
    return exit_code(report, check=check)


def exit_code(report: dict[str, Any], *, check: bool) -> ExitCode:
    if not report["daemon"]["running"]:
        return ExitCode.NOT_RUNNING
    if check and (report["problems"] or report["failed"]):
        return ExitCode.DEGRADED
    return ExitCode.OK


def gather(dirs: Dirs, *, everything: bool = False) -> dict[str, Any]:
    """The report on the daemon of these folders, as far as it can be known."""
    trouble: list[Problem] = []
    live, silent = None, False
    try:
        live = ask(dirs, Request("status"))
    except DaemonNotRunning:
        pass
    except ControlError as error:
        silent = True
        trouble.append(Problem(ProblemCode.DAEMON_SILENT, error.message, error.hint))
    overview = Overview()
    # A service does not have what a shell exports: its jobs are where it says, not where we would.
    told = (live or {}).get("store")
    store = Path(told) if isinstance(told, str) else dirs.store
    if store != dirs.store:
        what = f"the daemon keeps its jobs in {store.parent}, other commands look in {dirs.state}"
        hint = "start both with the same $XDG_STATE_HOME: unset it here, or set it in the unit"
        trouble.append(Problem(ProblemCode.DAEMON_OTHER_STORE, what, hint))
    if store.exists():
        try:
            with open_views(store) as views:
                overview = views.overview(time.time(), most=_ALL if everything else _SOME)
        except StoreError as error:
            # Half made by a daemon that waits for room: it says so itself.
            if not (live or {}).get("opening"):
                trouble.append(Problem(ProblemCode.STORE_UNREADABLE, error.message, error.hint))
    elif live is not None and not live.get("opening"):
        what = f"the job database {store} was moved or deleted while the daemon runs"
        hint = "upscaled down; upscaled up"
        trouble.append(Problem(ProblemCode.STORE_UNREADABLE, what, hint))
    return build_report(overview, live, trouble, silent=silent)
