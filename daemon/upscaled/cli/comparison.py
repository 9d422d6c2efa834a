"""The work of `upscaled compare`: pictures, their figures, and a sheet of both."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from upscaled import log
from upscaled.config.settings import Settings
from upscaled.delivery import Delivery
from upscaled.dirs import find_dirs
from upscaled.errors import EnvironmentTrouble, UpscaledError
from upscaled.image.decode.decode import decode
from upscaled.image.filters.contact_sheet import html_sheet, png_sheet
from upscaled.image.filters.quality import Figures, measure
from upscaled.image.picture import Picture
from upscaled.job import Order
from upscaled.output import durable
from upscaled.pipeline.source_file import read
from upscaled.pipeline.stages.upscale import Upscaling
from upscaled.recipe import Recipe
from upscaled.service.workers.devices import devices
from upscaled.service.workers.factory import make_begin
from upscaled.text import printable
from upscaled.worker.messages import Fetching, FromWorker
from upscaled.worker.residents import Residents

_ROWS = {
    "psnr_db": "close to the source (dB PSNR)",
    "ssim": "like the source (SSIM)",
    "colour_drift": "colour drift (of 255)",
    "sharpness_gain": "sharpness (Lanczos: 1)",
    "noise": "noise (of 255)",
    "blockiness": "JPEG blocks (none: 1)",
}
_TITLE_COLUMNS = 30
_MOST_SKEW = 0.02
"""Rounding moves the aspect of small pictures by so much."""


@dataclass(frozen=True, slots=True)
class Compared:
    name: str
    width_px: int
    height_px: int
    figures: Figures
    notes: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        return {
            "name": printable(self.name),
            "width_px": self.width_px,
            "height_px": self.height_px,
            **self.figures.table(),
            "constant": self.figures.constant,
            "notes": list(self.notes),
        }


def open_picture(path: Path) -> Picture:
    """Raises: JobError, with the name of the file."""
    named = path.resolve()
    order = Order(0, "compare", named, Path(), None, Recipe(""), Delivery(named.parent))
    try:
        return decode(read(order).content)
    except UpscaledError as error:
        raise type(error)(
            f"{path}: {error.message}", hint=error.hint or "name an image file"
        ) from error


def described(path: Path, picture: Picture) -> dict[str, Any]:
    return {
        "name": printable(str(path)),
        "width_px": picture.width_px,
        "height_px": picture.height_px,
    }


def upscaled(
    source: Picture, models: Sequence[str], settings: Settings
) -> list[tuple[str, Picture]]:
    """What each model makes of it, by the model's name.

    Raises:
        ModelError, DeviceError: one cannot be had, or not be used.
    """
    device = devices(settings, gpus=0)[0]
    begin = make_begin(settings, find_dirs(), device, mark=f"compare-{os.getpid()}", learned={})
    residents = Residents(begin, _hear, lambda: False)
    made = []
    for model in models:
        name = str(Path(model).resolve()) if Path(model).exists() else model
        recipe = Recipe(name)
        stage = Upscaling(residents.get(recipe), recipe)
        picture = stage(source, progress=lambda _done, _total: None, cancelled=lambda: False)
        made.append((model, picture))
    return made


def _hear(message: FromWorker) -> None:
    if isinstance(message, Fetching) and not message.done_bytes:
        click.echo(f"fetching the model {message.model} (once)", err=True)


def compare(name: str, source: Picture, result: Picture) -> Compared:
    notes = list(result.notes)
    aspects = source.width_px * result.height_px / (source.height_px * result.width_px)
    if abs(aspects - 1) > _MOST_SKEW:
        notes.append("its shape is not the source's: the figures mean little")
    if source.width_px > result.width_px:
        notes.append("it is smaller than its source: are they the wrong way round?")
    size = result.width_px, result.height_px
    return Compared(name, *size, measure(source, result), tuple(notes))


def show(compared: Sequence[Compared]) -> None:
    """A column for each, figures below each other."""
    widest = 12 if len(compared) == 1 else max(len(each.name) for each in compared) + 2
    room = (shutil.get_terminal_size().columns - _TITLE_COLUMNS) // len(compared)
    width = max(min(widest, room), 12)

    def row(title: str, values: Sequence[str]) -> None:
        cells = "".join(f"{value[-width + 1 :]:>{width}}" for value in values)
        click.echo(f"{title:{_TITLE_COLUMNS}}{cells}")

    if len(compared) > 1:
        row("", [log.escape(each.name) for each in compared])
    row("size (px)", [f"{each.width_px}×{each.height_px}" for each in compared])
    tables = [each.figures.table() for each in compared]
    for key, title in _ROWS.items():
        row(title, [f"{table[key]:g}" for table in tables])
    for each in compared:
        flat = ("it is one single colour",) if each.figures.constant else ()
        for note in (*flat, *each.notes):
            click.echo(f"{log.escape(each.name)}: {log.escape(note)}", err=True)


def write_sheet(
    path: Path, before: Picture, after: Picture, compared: Compared, title: str
) -> None:
    """Whole or not at all. Raises: EnvironmentTrouble: it cannot be written."""
    if path.suffix.lower() == ".png":
        content = png_sheet(before, after)
    else:
        content = html_sheet(before, after, printable(title), compared.figures.table())
    written = durable.temporary(path.absolute(), f"compare-{os.getpid()}")
    try:
        durable.write(written, (content,))
        durable.place(written, path.absolute(), replace=True)
    except OSError as error:
        raise EnvironmentTrouble(
            f"cannot write {path}: {error.strerror or error}",
            hint="check permissions and free space",
        ) from error
    finally:
        durable.remove(written, missing_ok=True)
