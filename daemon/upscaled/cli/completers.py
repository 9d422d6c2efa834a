"""What the Tab key offers for rules, jobs and models: read only, quickly, and never an error.

Never torch, never the network: a person waits for each key.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from upscaled.dirs import find_dirs

if TYPE_CHECKING:
    from upscaled.store.views import Overview

_MOST_JOBS = 50

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
Offer = tuple[str, str | None]
"""A word and what it means, which zsh and fish show beside it."""


def _completer(offer: Callable[[click.Context], Iterable[Offer]]) -> Completer:
    def complete(
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG001 (click's signature)
        incomplete: str,
    ) -> list[CompletionItem]:
        try:
            offers = list(offer(ctx))
        except Exception:  # noqa: BLE001 (nothing is to be written between a person's words)
            return []
        return [
            CompletionItem(word, help=meaning)
            for word, meaning in offers
            if word.startswith(incomplete) and word.isprintable()
        ]

    return complete


def _rules(ctx: click.Context) -> Iterable[Offer]:
    """Those of the configuration that is named on the line; of a broken one, those of the jobs."""
    from upscaled.cli.options import load_settings  # noqa: PLC0415 (pydantic takes its time)
    from upscaled.errors import ConfigError  # noqa: PLC0415

    try:
        settings = load_settings(tuple(map(Path, ctx.params.get("config") or ())))
    except ConfigError:
        return [(name, None) for name in _overview().rules]
    return [(rule.name, ", ".join(map(str, rule.roots))) for rule in settings.rules]


def _workflows(ctx: click.Context) -> Iterable[Offer]:
    from upscaled.cli.options import load_settings  # noqa: PLC0415 (as above)

    rules = load_settings(tuple(map(Path, ctx.params.get("config") or ()))).rules
    return [(rule.workflow, f"of rule {rule.name}") for rule in rules if rule.workflow]


def _jobs(_ctx: click.Context) -> Iterable[Offer]:
    found = _overview()
    jobs = (*found.running, *found.failed, *found.delayed, *found.recent)
    return [(str(job.id), f"{job.state}: {job.file.name}") for job in jobs]


def _failed(_ctx: click.Context) -> Iterable[Offer]:
    return [(str(job.id), f"{job.file.name}: {job.reason}") for job in _overview().failed]


def _overview() -> "Overview":
    from upscaled.store.views import open_views  # noqa: PLC0415

    with open_views(find_dirs().store) as views:
        return views.overview(time.time(), most=_MOST_JOBS)


def _models(_ctx: click.Context) -> Iterable[Offer]:
    from upscaled.models.library import Library  # noqa: PLC0415

    known = Library(find_dirs().models).known()
    return [(model.name, model.model.title if model.model else None) for model in known]


complete_rules = _completer(_rules)
complete_workflows = _completer(_workflows)
complete_jobs = _completer(_jobs)
complete_failed = _completer(_failed)
complete_models = _completer(_models)
