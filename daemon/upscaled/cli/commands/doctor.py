"""`upscaled doctor`: everything that could be in the way, each with the command that mends it."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

import upscaled
from upscaled.cli.checks import program
from upscaled.cli.checks.finding import Finding, Level, exit_code, fail, ok
from upscaled.cli.hint_text import naming
from upscaled.cli.options import config_option, json_option, load_settings
from upscaled.config.settings import DEFAULT_MODEL, Settings
from upscaled.dirs import Dirs, find_dirs
from upscaled.errors import UpscaledError
from upscaled.log import escape

SCHEMA_VERSION = 1
Check = Callable[[], Iterable[Finding]]


@click.command("doctor", short_help="Check for anything that is in the way.")
@config_option
@json_option
def doctor_command(config: tuple[Path, ...], *, as_json: bool) -> int:
    """Look at everything that upscaling needs, and say how to mend what is not as it should be.

    Works with the daemon up or down, and with a broken configuration. Exit code: 0 all is well,
    5 there is a warning, 1 something fails.

    \b
    Example:
      upscaled doctor
      upscaled doctor --json | jq '.findings[] | select(.level != "ok")'
    """
    found = []
    for seen in examine(config):
        remedy = seen.remedy and naming(seen.remedy, config)
        finding = replace(seen, remedy=remedy)
        found.append(finding)
        if not as_json:
            _show(finding)
    if as_json:
        click.echo(json.dumps(_report(found), indent=2))
    else:
        counts = Counter(finding.level for finding in found)
        click.echo(f"{counts[Level.FAIL]} fail, {counts[Level.WARN]} warn, {counts[Level.OK]} ok")
    return exit_code(found)


def examine(config: tuple[Path, ...]) -> Iterator[Finding]:
    """All findings, the quick ones first; a child tries the device meanwhile."""
    # What these load would hold up `upscaled --help`.
    from upscaled.cli.checks import (  # noqa: PLC0415
        daemon_service,
        engine,
        folders,
        inotify,
        rule_models,
    )

    dirs = find_dirs()
    yield from safely("program", program.check_program)
    settings, finding = _configuration(config, dirs)
    yield finding
    with ExitStack() as cleanup:
        probe = _start_probe(settings, dirs, engine.Probe)
        if isinstance(probe, engine.Probe):
            cleanup.callback(probe.stop)
        checks: list[tuple[str, Check]] = [
            ("clock", lambda: program.check_clock(program.newest_job_at(dirs))),
            ("daemon", lambda: daemon_service.check_daemon(dirs)),
            ("systemd", daemon_service.check_systemd),
            ("database", lambda: program.check_database(dirs)),
        ]
        if settings is None:
            checks += [("folders", lambda: folders.check_own(dirs))]
        else:
            known = settings
            checks += [
                ("folders", lambda: folders.check_folders(known, dirs)),
                ("inotify", lambda: inotify.check_inotify(known)),
                ("model", lambda: rule_models.check_models(known, dirs)),
                ("hub", lambda: rule_models.check_hub(known, dirs)),
            ]
        for topic, check in checks:
            yield from safely(topic, check)
        yield from [probe] if isinstance(probe, Finding) else safely("engine", probe.findings)


def safely(topic: str, check: Check) -> Iterator[Finding]:
    """What it finds; a check that fails itself is a finding, too."""
    try:
        yield from check()
    except UpscaledError as error:
        yield fail(topic, error.message, error.hint)
    except Exception as error:  # noqa: BLE001 (a broken machine is what it is called for)
        yield fail(topic, f"this could not be looked at: {type(error).__name__}: {error}", None)


def _configuration(config: tuple[Path, ...], dirs: Dirs) -> tuple[Settings | None, Finding]:
    topic = "configuration"
    try:
        settings = load_settings(config, dirs)
    except UpscaledError as error:
        first = error.message.splitlines()[0] if error.message else ""
        return None, fail(topic, first, error.hint or "upscaled config check")
    except Exception as error:  # noqa: BLE001 (see above)
        return None, fail(topic, f"{type(error).__name__}: {error}", "upscaled config check")
    files = ", ".join(map(str, settings.source_files)) or "none: these are the defaults"
    enabled = [rule.name for rule in settings.rules if rule.enabled]
    if not enabled:
        return settings, fail(topic, f"{files}: no rule is enabled", "upscaled config init")
    count = len(settings.notices)
    notices = f"; {count} {'note' if count == 1 else 'notes'}" if count else ""
    remedy = "upscaled config check" if settings.notices else None
    return settings, ok(topic, f"{files} (rules: {', '.join(enabled)}){notices}", remedy)


def _start_probe(settings: Settings | None, dirs: Dirs, start: Callable[..., Any]) -> Any:
    """The child, or the finding that there is none."""
    from upscaled.models.library import Library  # noqa: PLC0415 (as above)

    device, precision, ref = "auto", "auto", DEFAULT_MODEL
    if settings is not None:
        device = settings.device if isinstance(settings.device, str) else settings.device[0]
        precision = settings.precision
        ref = next(
            (r.recipe.models[0] for r in settings.rules if r.enabled and r.recipe.models), ref
        )
    try:
        file = Library(dirs.models).locate(ref)
    except UpscaledError:
        file = None  # the model's own check tells
    try:
        return start(device, precision, file)
    except OSError as error:
        return fail("engine", f"no process can be started: {error}", "ulimit -u; free -m")


def _show(finding: Finding) -> None:
    mark, colour = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}[
        finding.level
    ]
    if finding.level is Level.OK and finding.remedy:
        # Nothing is wrong, and something could be had.
        mark, colour = "·", "cyan"
    sign = mark if os.environ.get("NO_COLOR") else click.style(mark, fg=colour)
    click.echo(f"{sign} {escape(finding.topic)}: {escape(finding.what)}")
    if finding.remedy:
        click.echo(f"  → {escape(finding.remedy)}")


def _report(found: list[Finding]) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "version": upscaled.__version__,
        "exit_code": int(exit_code(found)),
        "findings": [
            {
                "topic": finding.topic,
                "level": str(finding.level),
                "what": finding.what,
                "remedy": finding.remedy,
            }
            for finding in found
        ],
    }
