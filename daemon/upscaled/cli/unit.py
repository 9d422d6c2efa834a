"""The unit that this shell would install, where it belongs, and what differs from it."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from upscaled.cli.options import CONFIG_VARIABLE
from upscaled.dirs import find_dirs
from upscaled.errors import ServiceError
from upscaled.systemd import UNIT_NAME, assignment, assignments, render_unit
from upscaled.text import escape

_XDG = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
_HUB = ("HF_ENDPOINT", "HF_HOME", "HF_HUB_CACHE", "HF_TOKEN_PATH")
"""Not HF_TOKEN: everybody may read a unit. A token belongs into `hf auth login`."""

Environment = Mapping[str, str] | None
"""What the user instance of systemd gives its services; None: it does not answer."""


def unit_path(manager: Environment) -> Path:
    """In the data folder: `~/.config/systemd/user` stays free for `systemctl --user edit`."""
    data = find_dirs().data.parent
    if manager is not None and (home := manager.get("HOME")):
        # systemd looks in its own, whatever this shell has.
        theirs = Path(manager.get("XDG_DATA_HOME", ""))
        data = theirs if theirs.is_absolute() else Path(home, ".local", "share")
    return data / "systemd" / "user" / UNIT_NAME


def unit_text(config: tuple[Path, ...], manager: Environment) -> str:
    """The unit that starts this program with these configuration files, or with its defaults.

    Raises:
        ServiceError: a variable that the service needs is no UTF-8.
    """
    if not config and (named := os.environ.get(CONFIG_VARIABLE)):
        # The user instance of systemd does not read what a shell's start-up files set.
        config = (Path(named),)
    files = [str(file.expanduser().absolute()) for file in config]
    words = [word for file in files for word in ("--config", file)]
    return render_unit(executable(), words, given(manager))


def given(manager: Environment) -> dict[str, str]:
    """What our commands obey here, and the service would not have.

    Raises:
        ServiceError: one is no UTF-8, and systemd would pass it over.
    """
    found = {
        name: value
        for name, value in _obeyed().items()
        if manager is None or manager.get(name) != value
    }
    for name, value in found.items():
        if not value.isprintable():
            raise ServiceError(
                f"${name} has characters that systemd does not take: {escape(value)}",
                hint=f"name that folder otherwise, or unset {name}",
            )
    return found


def differences(installed: str, manager: Environment) -> list[str]:
    """Variables that the service has otherwise than this shell's commands, by name."""
    obeyed, theirs = _obeyed(), assignments(installed)
    ours = {name: assignment(name, value) for name, value in obeyed.items()}
    # Where systemd cannot be asked, it may have what the unit does not say.
    given_else = obeyed if manager is None else manager
    return sorted(
        name
        for name in (*_XDG, *_HUB)
        if (
            theirs[name] != ours.get(name)
            if name in theirs
            else name in obeyed and given_else.get(name) != obeyed[name]
        )
    )


def _obeyed() -> dict[str, str]:
    """What is set here; relative XDG folders are ignored by all, as their specification says."""
    xdg = {name: os.environ.get(name, "") for name in _XDG}
    hub = {name: os.environ[name] for name in _HUB if os.environ.get(name)}
    return {name: value for name, value in xdg.items() if Path(value).is_absolute()} | hub


def executable() -> list[str]:
    """The command that starts this very installation.

    A shim on PATH (pipx, `uv tool`) outlives an update of what it points to, so it is preferred.
    """
    script = Path(sys.executable).with_name("upscaled")
    shim = shutil.which("upscaled")
    if shim and os.path.isabs(shim) and Path(shim).resolve() == script.resolve():  # noqa: PTH117  which gives a str
        return [shim]
    return [str(script)] if script.exists() else [sys.executable, "-m", "upscaled"]


def installed_unit(manager: Environment) -> str | None:
    """Its text; None: it is not installed.

    Raises:
        ServiceError: it cannot be read.
    """
    path = unit_path(manager)
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ServiceError(f"Cannot read {path}: {error.strerror}") from None


def is_current(installed: str) -> bool:
    """Whether this program would install the same, with whatever configuration and variables."""
    rendered = render_unit(executable())
    ours, theirs = command_line(rendered), command_line(installed)
    same_command = theirs == ours or theirs.startswith(f"{ours} ")
    bare = installed.replace(theirs, "")
    for name, line in assignments(installed).items():
        if name in (*_XDG, *_HUB):
            bare = bare.replace(f"{line}\n", "")
    return same_command and bare == rendered.replace(ours, "")


def command_line(unit: str) -> str:
    """What it starts, as it is written there."""
    lines = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    return lines[0].removeprefix("ExecStart=") if lines else ""
