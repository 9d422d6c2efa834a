"""`upscaled run`: upscale files now, in this process, without a daemon."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from upscaled.cli.completers import complete_models, complete_rules, complete_workflows
from upscaled.cli.input_files import expand, from_json
from upscaled.cli.options import config_option, load_settings
from upscaled.config.settings import RuleSettings, Settings
from upscaled.delivery import Delivery
from upscaled.dirs import find_dirs
from upscaled.errors import UsageError
from upscaled.formats import FORMATS
from upscaled.job import Order
from upscaled.recipe import Recipe


@click.command("run", short_help="Upscale files now, without a daemon.")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--input",
    "given",
    metavar="JSON",
    help="""Files as JSON: '{"image": "photo.png"}' or '{"images": ["a.png", "b.png"]}'.""",
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
    help="Use the model and format of this rule.",
)
@click.option(
    "-m", "--model", shell_complete=complete_models, help="Name of a model, or a model file."
)
@click.option(
    "-w",
    "--workflow",
    shell_complete=complete_workflows,
    help="Use those of the rule with this workflow.",
)
@click.option("-f", "--format", "form", help="same, png, jpeg, webp, avif, tiff, heif or jxl.")
@click.option("--force", is_flag=True, help="Redo files that an earlier run completed.")
@click.option("-v", "--verbose", is_flag=True, help="Show details of each file.")
@config_option
def run_command(
    *,
    files: tuple[Path, ...],
    given: str | None,
    output: Path | None,
    rule_name: str | None,
    workflow: str | None,
    model: str | None,
    form: str | None,
    config: tuple[Path, ...],
    force: bool,
    verbose: bool,
) -> int:
    """Upscale files now, in this process. Sources are kept.

    FILE may be a folder (all images in it), a pattern, or `-` for a list of names on stdin.
    A file whose result an earlier run has made, and that still stands, is skipped.

    \b
    Example:
      upscaled run holiday.jpg -o ~/Pictures/large
      upscaled run scans/ --format png
      find . -name '*.webp' -print0 | upscaled run - -o large/
      upscaled run --input '{"image": "holiday.jpg"}'
    """
    if given is not None:
        files += from_json(given)
    elif not files:
        raise UsageError("no input files given", hint="upscaled run holiday.jpg")
    if workflow is not None and model is not None:
        raise UsageError("a workflow names its models itself", hint="leave out --model")
    settings = load_settings(config)
    recipe = _recipe(_rule(settings, rule_name, workflow), model, form)
    orders = list(_orders(files, output, recipe))
    if not orders:
        raise UsageError("no images there", hint="name image files, or folders that hold some")
    # Torch comes in here: seconds that no other command should pay.
    from upscaled.cli.batch import FileBatch  # noqa: PLC0415

    return FileBatch(settings, find_dirs(), orders, verbose=verbose, force=force).run()


def _recipe(rule: RuleSettings, model: str | None, form: str | None) -> Recipe:
    recipe = rule.recipe
    if model is not None:
        path = Path(model)
        recipe = replace(recipe, model=str(path.resolve()) if path.exists() else model, scale=None)
        recipe = replace(recipe, stages=(), result="")  # a workflow names its own
    known = ("same", *FORMATS)
    if form is not None and form not in known:
        raise UsageError(f"there is no format {form!r}", hint=f"formats: {', '.join(known)}")
    return recipe if form is None else replace(recipe, output=replace(recipe.output, format=form))


def _rule(settings: Settings, name: str | None, workflow: str | None) -> RuleSettings:
    """The one that is asked for; without a wish, the first."""
    rules = [rule for rule in settings.rules if name in (None, rule.name)]
    if not rules:
        names = ", ".join(rule.name for rule in settings.rules)
        raise UsageError(f"there is no rule {name!r}", hint=f"rules: {names}")
    fitting = [rule for rule in rules if workflow in (None, rule.workflow)]
    if not fitting:
        used = ", ".join(rule.workflow for rule in rules if rule.workflow) or "none"
        raise UsageError(
            f"no rule uses a workflow {workflow!r}", hint=f"workflows that rules use: {used}"
        )
    return fitting[0]


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
