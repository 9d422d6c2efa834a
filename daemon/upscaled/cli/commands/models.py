"""`upscaled models`: which there are, and getting, checking and removing them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table

from upscaled.cli.completers import complete_models
from upscaled.cli.options import (
    config_option,
    json_option,
    load_settings,
    unread_config_option,
)
from upscaled.cli.screens.quantities import size
from upscaled.dirs import find_dirs
from upscaled.errors import UpscaledError
from upscaled.models.catalogue import CATALOGUE, CatalogueModel
from upscaled.models.download.hub import HubAccess
from upscaled.models.download.progress import FetchProgress, OnProgress
from upscaled.models.library import Known, Library
from upscaled.models.model_reference import resolve
from upscaled.models.model_source import Provider
from upscaled.models.safetensors_header import read_metadata
from upscaled.models.terms import UNKNOWN

SCHEMA_VERSION = 1

model_argument = click.argument("model", nargs=-1, shell_complete=complete_models)


@click.group("models", short_help="List, fetch, check and remove models.")
def models_group() -> None:
    """List, fetch, check and remove models.

    A MODEL is a name of the list, a file, huggingface:OWNER/NAME:FILE, or a URL.
    """


@models_group.command("list", short_help="List named models and those used before.")
@json_option
@unread_config_option
def list_command(*, as_json: bool) -> None:
    """List the models that have a name, and those that were used before.

    \b
    Example:
      upscaled models list
    """
    rows = [_row(known) for known in Library(find_dirs().models).known()]
    if as_json:
        click.echo(json.dumps({"schema_version": SCHEMA_VERSION, "models": rows}, indent=2))
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("model", overflow="fold")
    for column in ("scale", "architecture", "tiling", "licence"):
        table.add_column(column)
    table.add_column("size", justify="right")
    table.add_column("here")
    for row in rows:
        exact = {True: "exact", False: "feathered", None: "?"}[row["exact_tiling"]]
        table.add_row(
            row["name"],
            f"{row['scale']}×" if row["scale"] else "?",
            row["architecture"] or "?",
            exact,
            row["licence"] or "?",
            size(row["size_bytes"]) if row["size_bytes"] else "?",
            "yes" if row["present"] else "no",
        )
    Console(highlight=False, markup=False).print(table)


@models_group.command("pull", short_help="Fetch models now.")
@model_argument
@config_option
@click.option("--all", "everything", is_flag=True, help="All named models.")
@click.option("--refresh", is_flag=True, help="Check the hub or URL for a newer file.")
@click.option(
    "--accept-change", is_flag=True, help="Accept a file that differs from the one first used."
)
def pull_command(
    model: tuple[str, ...],
    config: tuple[Path, ...],
    *,
    everything: bool,
    refresh: bool,
    accept_change: bool,
) -> None:
    """Fetch MODEL…, or else the models that the configuration names.

    Prints the file of each.

    \b
    Examples:
      upscaled models pull
      upscaled models pull huggingface:ai-forever/Real-ESRGAN:RealESRGAN_x2.pth
    """
    settings = load_settings(config)
    named = dict.fromkeys(name for rule in settings.rules for name in rule.recipe.models)
    if everything:
        model += tuple(known.name for known in CATALOGUE)
    for ref in dict.fromkeys(model) or named:
        access = settings.model_access.get(ref)
        hub = HubAccess(access.token, cache_folder=access.cache_folder) if access else None
        library = Library(find_dirs().models, hub=hub)
        _tell_terms(library, ref)
        with _shown_progress() as on_progress:
            path = library.fetch(
                ref,
                on_progress=on_progress,
                refresh=refresh or accept_change,
                accept_change=accept_change,
            )
        click.echo(str(path))


@models_group.command("verify", short_help="Check every byte of the local models.")
@model_argument
@unread_config_option
def verify_command(model: tuple[str, ...]) -> int:
    """Read every byte of MODEL…, or of all that are here, and compare it with its hash.

    What is damaged is removed, so that it is made or fetched again. Exit code 1 where there is any.

    \b
    Example:
      upscaled models verify
    """
    library = Library(find_dirs().models)
    failed = False
    for ref in model or tuple(known.name for known in library.known() if known.path):
        try:
            click.echo(f"{ref}: sound, {library.verify(ref)}")
        except UpscaledError as error:
            failed = True
            click.echo(f"{ref}: {error.message}", err=True)
            if error.hint:
                click.echo(f"  → {error.hint}", err=True)
    return int(failed)


@models_group.command("remove", short_help="Delete downloaded models.")
@click.argument("model", nargs=-1, required=True, shell_complete=complete_models)
@unread_config_option
def remove_command(model: tuple[str, ...]) -> None:
    """Remove what is kept of MODEL…; files of your own stay.

    \b
    Example:
      upscaled models remove realesrgan-x4plus-anime
    """
    library = Library(find_dirs().models)
    for ref in model:
        freed = library.remove(ref)
        click.echo(f"{ref}: {size(freed)} freed" if freed else f"{ref}: nothing was kept")


def _row(known: Known) -> dict[str, Any]:
    model = known.model
    facts = read_metadata(known.path) if known.path and known.path.suffix == ".safetensors" else {}
    told = facts or {}
    scale = told.get("scale", "")
    return {
        "name": known.name,
        "title": model.title if model else None,
        "scale": model.scale if model else (int(scale) if scale.isdecimal() else None),
        "architecture": model.architecture if model else told.get("architecture"),
        "exact_tiling": model.exact_tiling if model else None,
        "licence": model.licence if model else None,
        "licence_url": model.licence_url if model else None,
        "size_bytes": known.size_bytes or (model.size_bytes if model else None),
        "present": known.path is not None,
        "path": str(known.path) if known.path else None,
    }


def _tell_terms(library: Library, ref: str) -> None:
    reference = resolve(ref)
    if reference.notice:
        click.echo(reference.notice, err=True)
    if reference.source.provider is Provider.LOCAL or library.locate(ref) is not None:
        return
    words = _terms(reference.model) if reference.model else f"{ref}: {UNKNOWN}"
    click.echo(words, err=True)


def _terms(model: CatalogueModel) -> str:
    return f"{model.name}: {model.title}. Licence {model.licence}, {model.licence_url}"


@contextmanager
def _shown_progress() -> Iterator[OnProgress]:
    """A bar on a terminal; elsewhere one line for each stage. On stderr."""
    console = Console(stderr=True, highlight=False, markup=False)
    if not console.is_terminal:
        told: list[str] = []

        def tell(step: FetchProgress) -> None:
            if step.stage not in told:
                told.append(step.stage)
                click.echo(f"{step.model}: {step.stage}", err=True)

        yield tell
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=None)

        def show(step: FetchProgress) -> None:
            progress.update(
                bar,
                description=f"{step.model}: {step.stage}",
                completed=step.done_bytes,
                total=step.total_bytes,
            )

        yield show
