"""`upscaled compare`: how good a result is, against its source; or what two models make of one."""

import json
from pathlib import Path

import click

from upscaled.cli.completers import complete_models
from upscaled.cli.options import config_option, json_option, load_settings
from upscaled.errors import UsageError
from upscaled.text import printable

SCHEMA_VERSION = 1
_SHEETS = (".png", ".html", ".htm")
_FILE = click.Path(path_type=Path)


@click.command("compare", short_help="Measure a result, or models, against a source.")
@click.argument("before", metavar="SOURCE", type=_FILE)
@click.argument("after", metavar="[RESULT]", type=_FILE, required=False)
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    shell_complete=complete_models,
    help="Compare what this model makes of SOURCE, instead of RESULT; may be given twice.",
)
@click.option(
    "-o", "--output", "sheet", type=_FILE, help="Both side by side: a .png, or .html with a slider."
)
@json_option
@config_option
def compare_command(
    *,
    before: Path,
    after: Path | None,
    models: tuple[str, ...],
    sheet: Path | None,
    config: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Say how close RESULT is to SOURCE, how sharp and how noisy.

    A result is made as small as its source first. Nothing is written but the sheet.

    \b
    Example:
      upscaled compare photo.jpg photo_4x.jpg -o photo.html
      upscaled compare photo.jpg -m realesrgan-x4plus -m realesrgan-x4plus-anime
    """
    _check(before, after, models, sheet)
    # numpy and OpenCV come in here; torch with a model.
    from upscaled.cli import comparison  # noqa: PLC0415

    source = comparison.open_picture(before)
    if after is not None:
        made = [(str(after), comparison.open_picture(after))]
    else:
        made = comparison.upscaled(source, models, load_settings(config))
    compared = [comparison.compare(name, source, picture) for name, picture in made]
    if sheet is not None:
        first = made[0][1] if len(made) > 1 else source
        comparison.write_sheet(sheet, first, made[-1][1], compared[-1], before.name)
    if as_json:
        report = {
            "schema_version": SCHEMA_VERSION,
            "source": comparison.described(before, source),
            "results": [each.plain() for each in compared],
            "sheet": None if sheet is None else printable(str(sheet)),
        }
        click.echo(json.dumps(report, indent=2))
    else:
        comparison.show(compared)


def _check(before: Path, after: Path | None, models: tuple[str, ...], sheet: Path | None) -> None:
    """Before anything takes time. Raises: UsageError."""
    if (after is None) == (not models):
        raise UsageError(
            "compare with what?",
            hint="name either a RESULT, or one or two models: --model realesrgan-x4plus",
        )
    if len(models) > 2:  # noqa: PLR2004 (a sheet has two halves)
        raise UsageError("two models at most can be compared", hint="leave out the others")
    for path in filter(None, (before, after)):
        if not path.is_file():
            raise UsageError(f"there is no file {path}", hint="check the name")
        if sheet is not None and sheet.exists() and sheet.samefile(path):
            raise UsageError(f"{sheet} is one of the images", hint="name another file with -o")
    if sheet is not None and sheet.suffix.lower() not in _SHEETS:
        raise UsageError(f"{sheet}: a sheet is .png or .html", hint="-o before-after.html")
    if sheet is not None and not sheet.absolute().parent.is_dir():
        raise UsageError(f"{sheet}: there is no such folder", hint=f"mkdir -p {sheet.parent}")
