"""The systemd user instance, as far as the `service` commands need it."""

import getpass
import os
import shutil
import subprocess
from pathlib import Path

from upscaled.errors import ServiceError

TIMEOUT_S = 60
"""Longer than the unit's TimeoutStopSec; a start is not waited for by `systemctl` itself."""

LINGER_DIR = Path("/var/lib/systemd/linger")
PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "MainPID",
    "StatusText",
    "Result",
    "NRestarts",
    "Job",
)


def systemctl(*arguments: str) -> str:
    """Standard output of `systemctl --user …`.

    Raises:
        ServiceError: there is no systemd, no user instance to talk to, or it refused.
    """
    path = shutil.which("systemctl")
    if path is None:
        raise ServiceError(
            "There is no systemctl on this machine.",
            hint="run `upscaled up` in a terminal, or from the init system you have",
        )
    command = [path, "--user", "--no-pager", *arguments]
    # Its sentences are looked at below, and must not be translated.
    environ = os.environ | {"LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0"}
    try:
        ran = subprocess.run(  # noqa: S603  the words are ours, no shell is between
            command,
            capture_output=True,
            text=True,
            errors="replace",
            env=environ,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ServiceError(
            f"`systemctl --user {' '.join(arguments)}` did not return in {TIMEOUT_S} s.",
            hint="look at `journalctl --user -u upscaled`",
        ) from None
    if ran.returncode:
        raise _refusal(arguments, ran.stderr.strip())
    return ran.stdout


def _refusal(arguments: tuple[str, ...], said: str) -> ServiceError:
    if "bus" in said.lower() or "not been booted with systemd" in said:
        return ServiceError(
            f"The user instance of systemd does not answer: {said.splitlines()[0]}",
            hint="log in as this user by ssh or at the screen (not by su or sudo), or run "
            "`upscaled up` in a terminal",
        )
    return ServiceError(
        f"`systemctl --user {' '.join(arguments)}` failed: {said or 'it did not say why'}",
        hint="look at `journalctl --user -u upscaled`",
    )


def show(unit: str) -> dict[str, str]:
    """The unit's properties; of a unit that is not there, LoadState is `not-found`."""
    names = ",".join(PROPERTIES)
    lines = systemctl("show", f"--property={names}", unit).splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def manager_environment() -> dict[str, str] | None:
    """What the user instance gives each service; None: there is none, or it does not answer."""
    try:
        lines = systemctl("show-environment").splitlines()
    except ServiceError:
        return None
    return {name: _unquoted(value) for name, _, value in (line.partition("=") for line in lines)}


def _unquoted(value: str) -> str:
    """`show-environment` writes for a shell what needs quotes: `$'a b'`."""
    if not (value.startswith("$'") and value.endswith("'")):
        return value
    return value[2:-1].replace("\\'", "'").replace("\\\\", "\\")


def lingers() -> bool:
    """Whether this user's services outlive the last logout; loginctl(1), enable-linger."""
    try:
        return (LINGER_DIR / getpass.getuser()).exists()
    except (OSError, KeyError):  # a container's uid without a name
        return False
