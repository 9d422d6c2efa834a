"""`upscaled service`: life as a systemd user service."""

import json
import os
import time
from pathlib import Path

import click

from upscaled.cli.options import config_option, json_option, unread_config_option
from upscaled.cli.systemctl import lingers, manager_environment, show, systemctl
from upscaled.cli.unit import (
    command_line,
    differences,
    given,
    installed_unit,
    is_current,
    unit_path,
    unit_text,
)
from upscaled.errors import ServiceError
from upscaled.systemd import UNIT_NAME
from upscaled.text import escape

SCHEMA_VERSION = 1
_PATIENCE_S = 60.0
"""A model that is fetched over a slow line takes longer, and goes on without us."""


@click.group("service")
def service_group() -> None:
    """Start with your session, by systemd.

    \b
    Example:
      upscaled service install
    """


@service_group.command("install")
@config_option
def install(config: tuple[Path, ...]) -> None:
    """Write the unit, start it now and at each login.

    Running it again after an update or a move renews the unit and restarts the daemon.
    XDG_STATE_HOME and the like are written into it where systemd has not the same as your shell.

    \b
    Example:
      upscaled service install --config ~/pictures.yml
    """
    before = show(UNIT_NAME)  # fails before anything is written where nobody is to start it
    manager = manager_environment()
    target = unit_path(manager)
    text = unit_text(config, manager)
    renewed = installed_unit(manager) not in (None, text)
    _write(target, text)
    systemctl("daemon-reload")
    if show(UNIT_NAME)["LoadState"] == "not-found":
        raise ServiceError(
            f"The user instance of systemd does not see {target}.",
            hint="its HOME is another than yours: compare with `systemctl --user show-environment`",
        )
    systemctl("enable", UNIT_NAME)
    if before["ActiveState"] == "failed":
        systemctl("reset-failed", UNIT_NAME)
    systemctl("--no-block", "restart" if renewed else "start", UNIT_NAME)
    click.echo(f"{'Renewed' if renewed else 'Installed'} {target}")
    for name, value in given(manager).items():
        click.echo(f"The service gets {name}={escape(value)}, which systemd does not have.")
    properties = _wait_for_start()
    click.echo(_state(properties))
    if properties["ActiveState"] in {"failed", "inactive"} or properties["Result"] != "success":
        raise ServiceError(
            "The service did not start.",
            hint="journalctl --user -u upscaled says why; upscaled doctor looks for it",
        )
    click.echo(_linger())


@service_group.command("uninstall", short_help="Stop the service and remove the unit.")
@unread_config_option
def uninstall() -> None:
    """Stop the service and remove the unit; jobs, models and configuration stay.

    \b
    Example:
      upscaled service uninstall
    """
    target = unit_path(manager_environment())
    if not target.exists():
        click.echo(f"There is no {target}: nothing to remove.")
        return
    if show(UNIT_NAME)["LoadState"] != "not-found":
        systemctl("disable", "--now", UNIT_NAME)
    target.unlink(missing_ok=True)
    systemctl("daemon-reload")
    click.echo(f"Stopped the service and removed {target}")


@service_group.command("status")
@json_option
@unread_config_option
def status(*, as_json: bool) -> None:
    """Is the unit installed, current, enabled and running?

    \b
    Example:
      upscaled service status
    """
    manager = manager_environment()
    target = unit_path(manager)
    installed = installed_unit(manager)
    current = installed is not None and is_current(installed)
    others = [] if installed is None else differences(installed, manager)
    properties = show(UNIT_NAME)
    if as_json:
        report = {
            "schema_version": SCHEMA_VERSION,
            "unit": str(target),
            "installed": installed is not None,
            "current": current and not others,
            "environment_differs": others,
            "lingers": lingers(),
            "properties": properties,
        }
        click.echo(json.dumps(report, indent=2))
        return
    if installed is None:
        click.echo("Not installed. To install it: upscaled service install")
        return
    click.echo(f"{target}: {properties.get('UnitFileState') or 'unknown to systemd'}")
    if not current:
        click.echo(f"It is of another installation or version: {command_line(installed)}")
    for name in others:
        click.echo(f"It has another {name} than your shell: your commands look elsewhere.")
    if others or not current:
        click.echo("To renew it: upscaled service install")
    click.echo(_state(properties))
    click.echo(_linger())


@service_group.command("unit")
@click.option("--print", "as_text", is_flag=True, help="Print the unit instead of its path.")
@config_option
def unit(config: tuple[Path, ...], *, as_text: bool) -> None:
    """Where the unit is installed, or (--print) what is in it.

    \b
    Example:
      upscaled service unit --print
    """
    manager = manager_environment()
    click.echo(unit_text(config, manager) if as_text else str(unit_path(manager)), nl=not as_text)


def _wait_for_start() -> dict[str, str]:
    """Its properties once it is ready, has failed, or takes longer than people wait."""
    deadline = time.monotonic() + _PATIENCE_S
    while (now := show(UNIT_NAME)).get("Job", "0") not in {"", "0"}:
        if time.monotonic() > deadline:
            click.echo("It goes on starting in the background.")
            break
        time.sleep(0.1)
    return now


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise ServiceError(
            f"Cannot write {path}: {error.strerror}",
            hint="`upscaled service unit --print` prints the unit, to put it where you can write",
        ) from None


def _state(properties: dict[str, str]) -> str:
    state = f"{properties.get('ActiveState')} ({properties.get('SubState')})"
    return f"{state}: {properties['StatusText']}" if properties.get("StatusText") else state


def _linger() -> str:
    if lingers():
        return "It starts with the machine and goes on after you log out."
    return "It stops when you log out. To keep it running: loginctl enable-linger"
