"""The daemon, its unit and the systemd under it."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import upscaled
from upscaled.cli.checks.finding import Finding, fail, ok, warn
from upscaled.cli.systemctl import lingers, manager_environment, show
from upscaled.cli.unit import differences, installed_unit, is_current, unit_path
from upscaled.control.client import ask
from upscaled.control.protocol import Request
from upscaled.dirs import Dirs
from upscaled.errors import ControlError, DaemonNotRunning, ServiceError
from upscaled.systemd import UNIT_NAME

OLDEST_SYSTEMD = 247
_ASK_S = 5.0
_INSTALL = "upscaled service install"


def check_daemon(dirs: Dirs) -> Iterator[Finding]:
    try:
        live = ask(dirs, Request("status"), timeout_s=_ASK_S)
    except DaemonNotRunning:
        yield ok("daemon", "not running", "upscaled up")
        return
    except ControlError as error:
        yield fail("daemon", error.message, error.hint or "journalctl --user -u upscaled")
        return
    if live.get("version") != upscaled.__version__:
        yield warn(
            "daemon",
            f"version {live.get('version')} runs, {upscaled.__version__} is installed",
            "systemctl --user restart upscaled",
        )
    yield ok("daemon", f"running (pid {live.get('pid')})")
    yield from map(_told, live.get("problems", []))


def _told(problem: dict[str, Any]) -> Finding:
    return warn("daemon", str(problem.get("what")), problem.get("hint") or "upscaled status")


def check_systemd() -> Iterator[Finding]:
    version = systemd_version()
    if version is None:
        yield ok("systemd", "not on this machine: run `upscaled up` from the init system you have")
        return
    if version < OLDEST_SYSTEMD:
        yield warn("systemd", f"version {version}: {OLDEST_SYSTEMD} or newer is needed", None)
    else:
        yield ok("systemd", f"version {version}")
    try:
        properties = show(UNIT_NAME)
    except ServiceError as error:
        yield ok("user instance", error.message, error.hint)
        properties = {}
    yield from check_unit(properties)


def systemd_version() -> int | None:
    """None: there is none, or it does not say."""
    if (path := shutil.which("systemctl")) is None:
        return None
    try:
        ran = subprocess.run(  # noqa: S603 (fixed words)
            [path, "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"systemd (\d+)", ran.stdout)
    return int(found[1]) if found else None


def check_unit(properties: dict[str, str]) -> Iterator[Finding]:
    """`properties` as systemd knows them; empty where it cannot be asked."""
    manager = manager_environment()
    text, path = installed_unit(manager), unit_path(manager)
    if text is None:
        yield ok("unit", "not installed: it does not start by itself", _INSTALL)
        return
    command = command_of(text)
    if command is None or not Path(command).exists():
        yield fail("unit", f"{path} starts {command}, which is not there", _INSTALL)
    elif not is_current(text):
        yield warn("unit", f"{path} is of another installation or version", _INSTALL)
    elif others := differences(text, manager):
        names = ", ".join(others)
        what = f"{path} has another {names} than your shell: your commands look elsewhere"
        yield warn("unit", what, _INSTALL)
    else:
        yield ok("unit", f"{path} is current")
    if properties.get("UnitFileState") not in {"enabled", None}:
        yield warn("unit", "it is not enabled: it does not start by itself", _INSTALL)
    if properties.get("ActiveState") == "failed":
        why = properties.get("Result")
        yield fail("unit", f"it failed ({why})", "journalctl --user -u upscaled -e")
    if lingers():
        yield ok("linger", "it starts with the machine and goes on after you log out")
    else:
        yield warn("linger", "it stops when you log out", "loginctl enable-linger")


def command_of(unit: str) -> str | None:
    """The program that a unit starts."""
    found = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    try:
        words = shlex.split(found[1]) if found else []
    except ValueError:  # a quote that does not end
        return None
    return words[0].replace("%%", "%").replace("$$", "$") if words else None
