"""`upscaled run`: upscale files now, in this process, without a daemon."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from upscaled.cli.completers import complete_models, complete_rules
from upscaled.cli.options import config_option, load_settings
from upscaled.cli.sources import expand
from upscaled.config.settings import RuleSettings, Settings
from upscaled.dirs import find_dirs
from upscaled.errors import UsageError
from upscaled.job import Delivery, Order, Recipe


@click.command("run", short_help="Upscale files now, without a daemon.")
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the results.  [default: beside each file]",
)
@click.option(
    "-r",
    "--rule",
    "rule_name",
    shell_complete=complete_rules,
    help="Take model and format from this rule.",
)
@click.option(
    "-m", "--model", shell_complete=complete_models, help="Name of a model, or a model file."
)
@click.option("-f", "--format", "form", help="same, png, jpeg, webp, avif, tiff, heif or jxl.")
@click.option("-v", "--verbose", is_flag=True, help="Say how each file was done.")
@config_option
def run_command(
    *,
    files: tuple[Path, ...],
    output: Path | None,
    rule_name: str | None,
    model: str | None,
    form: str | None,
    config: tuple[Path, ...],
    verbose: bool,
) -> int:
    """Upscale files now, in this process. Sources are kept.

    FILE may be a folder (all images in it), a pattern, or `-` for a list of names on stdin.

    \b
    Example:
      upscaled run holiday.jpg -o ~/Pictures/large
      upscaled run scans/ --format png
      find . -name '*.webp' -print0 | upscaled run - -o large/
    """
    settings = load_settings(config)
    recipe = _recipe(settings, rule_name, model, form)
    orders = list(_orders(files, output, recipe))
    if not orders:
        raise UsageError("no images there", hint="name image files, or folders that hold some")
    # Torch comes in here: seconds that no other command should pay.
    from upscaled.cli.batch import Batch  # noqa: PLC0415

    return Batch(settings, find_dirs(), verbose=verbose).run(orders)


def _recipe(
    settings: Settings, rule_name: str | None, model: str | None, form: str | None
) -> Recipe:
    recipe = _rule(settings, rule_name).recipe
    if model is not None:
        path = Path(model)
        recipe = replace(recipe, model=str(path.resolve()) if path.exists() else model, scale=None)
    known = ("same", "png", "jpeg", "webp", "avif", "tiff", "heif", "jxl")
    if form is not None and form not in known:
        raise UsageError(f"there is no format {form!r}", hint=f"formats: {', '.join(known)}")
    return recipe if form is None else replace(recipe, format=form)


def _rule(settings: Settings, name: str | None) -> RuleSettings:
    if name is None:
        return settings.rules[0]
    rule = settings.rule(name)
    if rule is None:
        names = ", ".join(rule.name for rule in settings.rules)
        raise UsageError(f"there is no rule {name!r}", hint=f"rules: {names}")
    return rule


def _orders(files: tuple[Path, ...], output: Path | None, recipe: Recipe) -> Iterator[Order]:
    number = 0
    for source, relative, folder in expand(files):
        if output and folder and _is_result(source, folder, output):
            continue
        number += 1
        yield Order(
            job_id=number,
            rule="run",
            source=source,
            relative=relative if output else Path(),
            fingerprint=None,
            recipe=recipe,
            delivery=Delivery(folder=(output or source.parent).absolute()),
        )


def _is_result(source: Path, named: Path, output: Path) -> bool:
    """Whether it lies in an output folder inside the folder that was named."""
    below = output.resolve()
    return below != named.resolve() and source.resolve().is_relative_to(below)
