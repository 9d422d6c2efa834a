"""Progress on a terminal: a bar for all files, and one for each that is being worked on."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_UNMEASURED = {"ready", "load"}
"""Stages whose bar only moves to and fro."""


class Bars:
    """Nothing where stderr is no terminal."""

    def __init__(self, total: int, console: Console | None = None) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._console = console or Console(stderr=True)
        visible = self._console.is_terminal if console else sys.stderr.isatty()
        self._progress = Progress(*columns, console=self._console, disable=not visible)
        self._total = total
        self._all: TaskID | None = None
        self._files: dict[int, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        if self._total > 1:
            self._all = self._progress.add_task(f"0 of {self._total}", total=self._total)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, job_id: int, name: str, stage: str, done: int, total: int) -> None:
        if job_id not in self._files:
            self._files[job_id] = self._progress.add_task(name, total=None)
        self._progress.update(
            self._files[job_id],
            description=f"{name}: {stage}",
            completed=done,
            total=None if stage in _UNMEASURED else total,
        )

    def end(self, job_id: int, ended: int) -> None:
        if (bar := self._files.pop(job_id, None)) is not None:
            self._progress.remove_task(bar)
        if self._all is not None:
            self._progress.update(
                self._all, completed=ended, description=f"{ended} of {self._total}"
            )
