"""`upscaled why FILE`: which rule takes a file or keeps it out, and what became of it."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from upscaled.cli.explain import Explanation, Facts, explain, look
from upscaled.cli.options import config_option, json_option, load_settings
from upscaled.cli.screens.what_became import (
    NoJobYet,
    after_the_rules,
    last_of_each_rule,
    of_daemon,
    why_report,
)
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
from upscaled.image.decode.foreign import HEAD_BYTES, identify
from upscaled.store.views import JobView, PauseView, open_views
from upscaled.text import escape

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
    waits = _no_job_yet(dirs, rules, found, facts, jobs)
    told = after_the_rules(found, jobs, pauses, waits, time.time())
    if as_json:
        report = why_report(found, exists=facts.exists, told=told, jobs=jobs)
        click.echo(json.dumps(report, indent=2))
    else:
        _show(found, told)
    if not facts.exists and not jobs:
        # One that was done and deleted has its answer above.
        raise UsageError(
            f"{escape(str(path))}: there is no such file, and none is known",
            hint="is the name right? what a rule says of such a name stands above",
        )


def _show(found: Explanation, told: Sequence[str]) -> None:
    click.echo(escape(found.headline))
    for answer in found.answers:
        click.echo(f"{'✓' if answer.takes else '✗'} {escape(str(answer))}")
    for line in told:
        click.echo(escape(line))


def _explained(rules: Sequence[RuleSettings], path: Path) -> tuple[Explanation, Facts]:
    facts = look(path, rules)
    found = explain(rules, path, facts)
    if found.needs_image_info and (facts.size_bytes or 0) <= _HEADER_MOST_BYTES:
        facts = _with_header(path, facts)
        found = explain(rules, path, facts)
    if not found.takers and found.obstacle is None:
        facts = _with_content(path, facts)
        found = explain(rules, path, facts)
    return found, facts


def _with_header(path: Path, facts: Facts) -> Facts:
    # Only a rule's `when:` asks for it: Pillow and OpenCV take half a second to load.
    from upscaled.image.decode.probe import probe  # noqa: PLC0415

    head = b""
    try:
        content = path.read_bytes()
        head = content[:HEAD_BYTES]
        return replace(facts, image_info=probe(content))
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    except UpscaledError as error:
        known = identify(head, path.name)
        if known is None or known.suffix is not None:
            hint = f" ({error.hint})" if error.hint else ""
            reason = f"cannot be read as an image: {error.message}{hint}"
        else:
            reason = f"is {known.what}, not an image" + (
                f": {known.advice}" if known.advice else ""
            )
    return replace(facts, reject_reason=reason)


def _with_content(path: Path, facts: Facts) -> Facts:
    try:
        with path.open("rb") as file:
            return replace(facts, content=identify(file.read(HEAD_BYTES), path.name))
    except OSError as error:
        return replace(facts, reject_reason=f"cannot be read ({error.strerror})")


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
    dirs: Dirs,
    rules: Sequence[RuleSettings],
    found: Explanation,
    facts: Facts,
    jobs: Sequence[JobView],
) -> NoJobYet | None:
    queued = {job.rule for job in last_of_each_rule(jobs)}
    if found.needs_image_info and queued:
        return None  # which of the rules has it, the picture decided
    rule = next((r for r in rules if r.name in found.takers and r.name not in queued), None)
    if rule is None:
        return None
    age_s = time.time() - (facts.mtime_s or 0.0)
    try:
        trouble = of_daemon(ask(dirs, Request("status")), rule, found.path)
    except DaemonNotRunning:
        trouble = "the daemon is not running (start it: upscaled up)"
    except ControlError as error:
        trouble = f"the daemon cannot be asked: {error.message}"
    return NoJobYet(rule.name, rule.settle_s, age_s, trouble)
