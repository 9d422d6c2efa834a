"""`upscaled up` and `upscaled down`: the daemon in the foreground, and its end."""

import os
import signal
import sys
import time
from pathlib import Path

import click

from upscaled import log
from upscaled.cli.options import config_option, load_settings
from upscaled.config.settings import Settings
from upscaled.control.client import ask
from upscaled.control.holder import holder_of
from upscaled.control.protocol import Request
from upscaled.dirs import Dirs, find_dirs
from upscaled.errors import ControlError, DaemonUnreachable, UsageError

_WAIT_S = 15.0
"""For a daemon that was told to stop."""


@click.command("up", short_help="Run the daemon in the foreground.")
@config_option
@click.option(
    "--once",
    is_flag=True,
    help="Process the files in the inboxes, then exit (1: some failed, 75: some still wait).",
)
def up_command(config: tuple[Path, ...], *, once: bool) -> int:
    """Run the daemon in the foreground; Ctrl-C stops it.

    Without a configuration it watches ~/Upscale/inbox and writes to ~/Upscale/outbox.

    \b
    Example:
      upscaled up
      upscaled up --config photos.yml
    """
    # The daemon's parts are loaded by this command alone.
    from upscaled.service.daemon import real_seams, run_daemon  # noqa: PLC0415
    from upscaled.service.status.systemd_notify import find_notifier  # noqa: PLC0415

    dirs = find_dirs()
    settings = load_settings(config, dirs)
    _make_folders(settings)
    if once:
        _need_inboxes(settings)
    _introduce(settings, dirs)
    log.set_up()
    return run_daemon(
        settings,
        dirs,
        real_seams(find_notifier()),
        once=once,
        load=lambda: load_settings(config, dirs),
    )


def _make_folders(settings: Settings) -> None:
    """Inboxes and outputs of the defaults; a folder that a file names may be an absent mount."""
    if settings.source_files:
        return
    for rule in settings.rules:
        for folder in (*rule.roots, rule.delivery.folder):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(
                    f"cannot make {folder}: {error.strerror}",
                    hint="name other folders in a configuration: upscaled config init",
                ) from error


def _need_inboxes(settings: Settings) -> None:
    """The daemon waits for a mount that is not there; a single pass would wait for ever."""
    for root in (root for rule in settings.rules if rule.enabled for root in rule.roots):
        if not root.is_dir():
            raise UsageError(f"there is no inbox {root}", hint=f"mkdir -p {root}")


def _introduce(settings: Settings, dirs: Dirs) -> None:
    """One screen: what will happen, and what to do now."""
    if not sys.stderr.isatty() and settings.source_files:
        return
    files = ", ".join(map(str, settings.source_files))
    _say(f"upscaled · configuration: {files or 'none, these are the defaults'}")
    for rule in settings.rules:
        if rule.enabled:
            _say(f"  {rule.name}:")
            for root in rule.roots:
                _say(f"    drop images into  {root}")
            _say(f"    results appear in {rule.delivery.folder}")
            _say(f"    with the model    {', '.join(rule.recipe.models) or 'none'}")
    for notice in settings.notices:
        _say(f"  note: {notice}")
    _say(f"  models are kept in  {dirs.models}{_fetched(settings, dirs)}")
    _say("See what it does: upscaled status    Stop it: Ctrl-C, or upscaled down")
    if not settings.source_files:
        _say(f"Make rules of your own: upscaled config init ({dirs.config_file})")


def _fetched(settings: Settings, dirs: Dirs) -> str:
    """What the first start has to wait for, if it has to."""
    from upscaled.models.library import Library  # noqa: PLC0415 (for this one line)

    library = Library(dirs.models)
    present = {known.name for known in library.known() if known.path}
    names = {rule.recipe.model for rule in settings.rules if rule.enabled}
    missing = sorted(name for name in names if "/" not in name and name not in present)
    return f" ({', '.join(missing)} is fetched now, once)" if missing else ""


def _say(text: str) -> None:
    click.echo(log.escape(text), err=True)


@click.command("down", short_help="Stop the daemon.")
@config_option
def down_command(config: tuple[Path, ...]) -> None:  # noqa: ARG001 (each command takes it)
    """Stop the daemon at the end of the tile it is at; nothing is lost.

    \b
    Example:
      upscaled down
    """
    dirs = find_dirs()
    try:
        ask(dirs, Request("stop"))
    except DaemonUnreachable as error:
        if error.pid is None:
            raise
        os.kill(error.pid, signal.SIGTERM)
    deadline = time.monotonic() + _WAIT_S
    while holder_of(dirs.lock) is not None:
        if time.monotonic() > deadline:
            raise ControlError(
                f"the daemon did not stop in {_WAIT_S:.0f} s", hint="see upscaled status"
            )
        time.sleep(0.05)
    click.echo("stopped", err=True)
