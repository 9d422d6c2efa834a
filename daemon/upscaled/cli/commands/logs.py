"""`upscaled logs`: the daemon's log, wherever it goes."""

import os
import shutil
import stat
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import click

from upscaled.cli.completers import complete_jobs, complete_rules
from upscaled.cli.options import config_option
from upscaled.cli.systemctl import show
from upscaled.control.client import ask
from upscaled.control.protocol import Request
from upscaled.dirs import find_dirs
from upscaled.errors import ControlError, DaemonNotRunning, ServiceError, UsageError
from upscaled.systemd import UNIT_NAME

_LINES = 100


@click.command("logs", short_help="The daemon's log.")
@click.option("-f", "--follow", is_flag=True, help="Follow new lines.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=_LINES, show_default=True)
@click.option("-r", "--rule", help="Only this rule (journal).", shell_complete=complete_rules)
@click.option(
    "-j", "--job", type=int, help="Only this job (journal).", shell_complete=complete_jobs
)
@config_option
def logs_command(
    *,
    follow: bool,
    lines: int,
    rule: str | None,
    job: int | None,
    config: tuple[Path, ...],  # noqa: ARG001 (each command takes it)
) -> None:
    """Show the daemon's log: systemd's journal, or the file that it writes to.

    \b
    Example:
      upscaled logs -f
      upscaled logs --rule photos
      upscaled logs --job 17
    """
    pid = _pid()
    if _is_service(pid):
        _journal(follow=follow, lines=lines, rule=rule, job=job)
    if pid is None:
        raise DaemonNotRunning(
            "the daemon is not running, and no service has a journal",
            hint="start it: upscaled up 2>upscaled.log (or: upscaled service install)",
        )
    if rule is not None or job is not None:
        raise UsageError(
            "only the journal knows rules and jobs, and this daemon does not write there",
            hint="upscaled show ID tells the history of a job",
        )
    _file(pid, follow=follow, lines=lines)


def _pid() -> int | None:
    try:
        pid = ask(find_dirs(), Request("status")).get("pid")
    except (DaemonNotRunning, ControlError):
        return None
    return pid if isinstance(pid, int) else None


def _is_service(pid: int | None) -> bool:
    """Whether the daemon of these folders, or with none running the last one, is the service."""
    try:
        unit = show(UNIT_NAME)
    except ServiceError:
        return False
    if pid is None:
        return unit.get("LoadState") == "loaded"
    return unit.get("MainPID") == str(pid)


def _journal(*, follow: bool, lines: int, rule: str | None, job: int | None) -> NoReturn:
    fields = [f"UPSCALED_RULE={rule}"] if rule is not None else []
    fields += [f"UPSCALED_JOB={job}"] if job is not None else []
    if fields and find_spec("systemd") is None:
        raise UsageError(
            "the journal has no fields for rules and jobs without systemd-python",
            hint="pip install systemd-python, then: systemctl --user restart upscaled",
        )
    more = ["--follow"] if follow else []
    # Not `--user -u`: that reads the person's own journal alone, which root does not have, nor
    # anybody where the journal is kept in memory only (journald.conf(5), SplitMode=).
    _become("journalctl", "-q", "--user-unit", UNIT_NAME, "-n", str(lines), *more, *fields)


def _file(pid: int, *, follow: bool, lines: int) -> NoReturn:
    link = Path(f"/proc/{pid}/fd/2")
    try:
        kind, target = link.stat().st_mode, os.readlink(link)  # noqa: PTH115 (it may end in " (deleted)")
    except OSError as error:
        raise ControlError(f"cannot see where process {pid} writes: {error.strerror}") from error
    if stat.S_ISREG(kind):
        _become("tail", "-n", str(lines), *(["-F"] if follow else []), "--", target)
    raise UsageError(
        f"the daemon (pid {pid}) writes to {target}, from where nothing can be read",
        hint="look at the terminal it was started in, or start it as a service: "
        "upscaled service install",
    )


def _become(*command: str) -> NoReturn:
    path = shutil.which(command[0])
    if path is None:
        raise UsageError(f"there is no {command[0]} here", hint=f"install {command[0]}")
    os.execv(path, command)  # noqa: S606 (no shell is between; the reader is the pager's own)
