"""Many files in this process: a bar while it works, a line for each result."""

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from upscaled import log
from upscaled.config.settings import Settings
from upscaled.dirs import Dirs
from upscaled.errors import ExitCode, LargeEnough, UpscaledError
from upscaled.job import Done, Order
from upscaled.service.begin import devices, make_begin
from upscaled.worker.messages import Fetching, FromWorker
from upscaled.worker.oneshot import Oneshot

_PARTS = ("decode", "upscale", "encode", "publish")


class Batch:
    def __init__(self, settings: Settings, dirs: Dirs, *, verbose: bool) -> None:
        mark = f"run-{os.getpid()}"
        begin = make_begin(settings, dirs, devices(settings, gpus=0)[0], mark=mark, learned={})
        self._oneshot = Oneshot(begin, self._hear)
        self._verbose = verbose
        self._fetching: str | None = None
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        console = Console(stderr=True)
        self._progress = Progress(*columns, console=console, disable=not sys.stderr.isatty())

    def run(self, orders: Sequence[Order]) -> ExitCode:
        """All of them, whatever happens to one; `ERROR` if any failed."""
        failed = done = 0
        try:
            with self._progress:
                for order in orders:
                    failed += not self._run_one(order)
                    done += 1
        except KeyboardInterrupt:
            click.echo(f"interrupted: {done} of {len(orders)} were done", err=True)
            return ExitCode.INTERRUPTED
        if failed:
            click.echo(f"{failed} of {len(orders)} failed", err=True)
        return ExitCode.ERROR if failed else ExitCode.OK

    def _run_one(self, order: Order) -> bool:
        name = log.escape(order.source.name)
        bar = self._progress.add_task(name, total=None)
        try:
            done = self._oneshot.run(order, partial(self._advance, bar))
        except LargeEnough as error:
            click.echo(f"{name}: skipped: {log.escape(error.message)}", err=True)
            return True
        except UpscaledError as error:
            click.echo(f"{name}: {log.escape(error.message)}", err=True)
            if error.hint:
                click.echo(f"  → {error.hint}", err=True)
            return False
        finally:
            self._progress.remove_task(bar)
        _say_path(done.result.path)
        self._tell(order, done)
        return True

    def _advance(self, bar: TaskID, done: int, total: int) -> None:
        self._progress.update(bar, completed=done, total=total)

    def _tell(self, order: Order, done: Done) -> None:
        if self._verbose:
            times = (f"{part} {getattr(done.timings, f'{part}_s'):.2f} s" for part in _PARTS)
            click.echo(f"  {self._oneshot.describe(order.recipe)}; {', '.join(times)}", err=True)
        for note in done.notes:
            click.echo(f"  note: {note}", err=True)

    def _hear(self, message: FromWorker) -> None:
        if isinstance(message, Fetching) and message.model != self._fetching:
            self._fetching = message.model
            click.echo(f"fetching the model {message.model} (once)", err=True)


def _say_path(path: Path) -> None:
    """To a program the very bytes of the name, to a person what can be read."""
    click.echo(log.escape(str(path)) if sys.stdout.isatty() else os.fsencode(path))
