"""`upscaled why FILE`: which rule takes a file or keeps it out, and what became of it."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from upscaled.cli.explain import Answer, Explanation, Facts, explain, look
from upscaled.cli.options import config_option, json_option, load_settings
from upscaled.cli.screens.what_became import NoJobYet, after_the_rules
from upscaled.config.settings import RuleSettings
from upscaled.control.client import ask
from upscaled.control.protocol import Request
from upscaled.dirs import Dirs, find_dirs
from upscaled.errors import (
    ControlError,
    DaemonNotRunning,
    StoreError,
    UpscaledError,
    UsageError,
)
from upscaled.service.status.report import SCHEMA_VERSION, job_report
from upscaled.store.views import JobView, PauseView, open_views
from upscaled.text import escape, printable

_HEADER_MOST_BYTES = 64 << 20
"""Of a file whose header is read; a larger one is left to the daemon, which limits its decoders."""


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
    rules = load_settings(config).rules
    found, facts = _explained(rules, path)
    jobs, pauses = _history(dirs, found.path)
    waits = _no_job_yet(dirs, rules, found, facts) if found.takers and not jobs else None
    told = after_the_rules(found.takers, jobs, pauses, waits, time.time())
    if as_json:
        click.echo(json.dumps(_document(found, facts, told, jobs), indent=2))
    else:
        click.echo(escape(found.headline))
        for answer in found.answers:
            click.echo(f"{'✓' if answer.takes else '✗'} {escape(str(answer))}")
        for line in told:
            click.echo(escape(line))
    if not facts.exists and not jobs:
        # One that was done and deleted has its answer above.
        raise UsageError(
            f"{escape(str(path))}: there is no such file, and none is known",
            hint="is the name right? what a rule says of such a name stands above",
        )


def _explained(rules: Sequence[RuleSettings], path: Path) -> tuple[Explanation, Facts]:
    facts = look(path, rules)
    found = explain(rules, path, facts)
    if not found.needs_image_info:
        return found, facts
    # Only a rule's `when:` asks for it: Pillow and OpenCV take half a second to load.
    from upscaled.image.decode.probe import probe  # noqa: PLC0415

    try:
        if (facts.size_bytes or 0) > _HEADER_MOST_BYTES:
            return found, facts
        facts = replace(facts, image_info=probe(path.read_bytes()))
    except UpscaledError as error:
        facts = replace(facts, reject_reason=f"cannot be read as an image: {error.message}")
    except OSError as error:
        facts = replace(facts, reject_reason=f"cannot be read ({error.strerror})")
    return explain(rules, path, facts), facts


def _history(dirs: Dirs, path: Path) -> tuple[tuple[JobView, ...], tuple[PauseView, ...]]:
    if not dirs.store.exists():
        return (), ()
    try:
        with open_views(dirs.store) as views:
            return views.jobs_of(path), views.pauses()
    except StoreError as error:
        click.echo(f"its history cannot be read: {error.message}", err=True)
        return (), ()


def _no_job_yet(
    dirs: Dirs, rules: Sequence[RuleSettings], found: Explanation, facts: Facts
) -> NoJobYet:
    settle_s = next(rule.settle_s for rule in rules if rule.name == found.takers[0])
    age_s = time.time() - (facts.mtime_s or 0.0)
    try:
        live = ask(dirs, Request("status"))
    except DaemonNotRunning:
        return NoJobYet(settle_s, age_s, is_running=False)
    except ControlError as error:
        return NoJobYet(settle_s, age_s, trouble=error.message)
    watched = {rule.get("name") for rule in live.get("rules", [])}
    return NoJobYet(settle_s, age_s, is_known_to_daemon=watched.issuperset(found.takers))


def _document(
    found: Explanation, facts: Facts, told: list[str], jobs: tuple[JobView, ...]
) -> dict[str, Any]:
    taker = found.takers[0] if found.takers else None
    own = next((a.reason for a in found.answers if a.rule == taker), None)
    obstacle = [f"it {found.obstacle}"] if found.obstacle else []
    return {
        "schema_version": SCHEMA_VERSION,
        "file": printable(str(found.path)),
        "exists": facts.exists,
        "rule": taker,
        "rules": list(found.takers),
        "reason": printable(own or found.headline),
        "obstacle": found.obstacle and printable(found.obstacle),
        "verdicts": [_verdict(answer) for answer in found.answers],
        "told": [*map(printable, obstacle), *map(printable, told)],
        "jobs": [job_report(job, ()) for job in jobs],
    }


def _verdict(answer: Answer) -> dict[str, Any]:
    origin = str(answer.origin) if answer.origin else None
    return {
        "rule": answer.rule,
        "takes": answer.takes,
        "reason": printable(answer.reason),
        "origin": origin,
    }
