"""Many files in this process: bars while it works, a line for each result.

While one image is on the device, the next is decoded and the last encoded, as in the daemon.
"""

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import NoReturn

import click

from upscaled import log
from upscaled.cli.screens.bars import Bars
from upscaled.config.settings import Settings
from upscaled.dirs import Dirs
from upscaled.errors import ExitCode, StoreError
from upscaled.job import Order
from upscaled.models.terms import terms
from upscaled.outcomes import (
    Cancelled,
    Changed,
    Done,
    Failed,
    Interrupted,
    Outcome,
    Retry,
    Snoozed,
    Vanished,
)
from upscaled.service.workers.devices import devices
from upscaled.service.workers.factory import make_begin
from upscaled.store.run_results import Results
from upscaled.worker.decode_guard import DecodeGuard
from upscaled.worker.lanes import Lanes
from upscaled.worker.messages import (
    Fetching,
    Finished,
    FromWorker,
    GaveUp,
    Progressed,
    Resident,
)
from upscaled.worker.residents import Residents
from upscaled.worker.resume import ResumeLedger

_PARTS = ("decode", "upscale", "encode", "publish")


class _Stuck(Exception):
    """Decoding a file took more time or memory than it may."""


class FileBatch:
    def __init__(
        self, settings: Settings, dirs: Dirs, orders: Sequence[Order], *, verbose: bool, force: bool
    ) -> None:
        self._orders = {order.job_id: order for order in orders}
        self._verbose = verbose
        self._heard: SimpleQueue[FromWorker] = SimpleQueue()
        self._stopping = threading.Event()
        mark = f"run-{os.getpid()}"
        begin = make_begin(settings, dirs, devices(settings, gpus=0)[0], mark=mark, learned={})
        self._residents = Residents(begin, self._heard.put, self._stopping.is_set)
        self._results = _open_results(dirs.results)
        self._ledger = ResumeLedger(self._orders, self._results, force=force)
        self._guard = DecodeGuard(lambda reason: self._heard.put(GaveUp(reason)))
        self._lanes = Lanes(
            self._residents,
            self._heard.put,
            self._stopping,
            mark=mark,
            ledger=self._ledger,
            guard=self._guard,
        )
        self._bars = Bars(len(orders))
        self._fetching: str | None = None
        self._loaded: dict[str, Resident] = {}
        self.outcomes: dict[int, Outcome] = {}

    def run(self) -> ExitCode:
        """All of them, whatever happens to one; `ERROR` if any failed."""
        self._lanes.start()
        self._guard.start()
        for order in self._orders.values():
            self._lanes.submit(order)
        try:
            with self._bars:
                self._listen()
        except KeyboardInterrupt:
            return self._interrupt()
        except _Stuck as stuck:
            self._leave(stuck)
        finally:
            self._stopping.set()
            self._lanes.stop()
            self._guard.stop()
            if self._results is not None:
                self._results.close()
        failed = sum(not isinstance(end, Done | Cancelled) for end in self.outcomes.values())
        if failed:
            click.echo(f"{failed} of {len(self._orders)} failed", err=True)
        return ExitCode.ERROR if failed else ExitCode.OK

    def _leave(self, stuck: "_Stuck") -> NoReturn:
        """At once: a thread inside a decoder can neither be ended nor waited for."""
        click.echo(f"{log.escape(str(stuck))}; what was done stays", err=True)
        click.echo("  → leave that file out: the same command then goes on", err=True)
        if self._results is not None:
            self._results.close()
        sys.stdout.flush()
        os._exit(ExitCode.ERROR)

    def _listen(self) -> None:
        while len(self.outcomes) < len(self._orders):
            self._hear(self._heard.get())

    def _interrupt(self) -> ExitCode:
        """What is being written is finished: that is short, and took long to make."""
        self._stopping.set()
        click.echo("stopping after this tile", err=True)
        self._lanes.stop()
        while not self._heard.empty():
            self._hear(self._heard.get())
        done = sum(isinstance(end, Done | Cancelled) for end in self.outcomes.values())
        told = f"interrupted: {done} of {len(self._orders)} were done; the same command goes on"
        click.echo(told, err=True)
        return ExitCode.INTERRUPTED

    def _hear(self, message: FromWorker) -> None:
        match message:
            case Progressed(job_id, stage, done, total):
                name = log.escape(self._orders[job_id].source.name)
                self._bars.show(job_id, name, stage, done, total)
            case Finished(job_id, outcome):
                self.outcomes[job_id] = outcome
                self._bars.end(job_id, len(self.outcomes))
                self._tell(self._orders[job_id], outcome)
            case GaveUp(reason):
                raise _Stuck(reason)
            case Resident():
                self._loaded[message.model] = message
            case Fetching(model) if model != self._fetching:
                self._fetching = model
                click.echo(f"fetching the model {model} (once); {terms(model)}", err=True)

    def _tell(self, order: Order, outcome: Outcome) -> None:
        name = log.escape(order.source.name)
        if isinstance(outcome, Done):
            _say_path(outcome.result.path)
            self._tell_done(order, outcome)
        elif isinstance(outcome, Cancelled):
            click.echo(f"{name}: skipped: {log.escape(outcome.reason)}", err=True)
            if (standing := self._ledger.standing.get(order.job_id)) is not None:
                _say_path(standing)
        elif not isinstance(outcome, Interrupted):
            click.echo(f"{name}: {log.escape(_reason(outcome))}", err=True)
            if isinstance(outcome, Failed) and outcome.hint:
                click.echo(f"  → {log.escape(outcome.hint)}", err=True)

    def _tell_done(self, order: Order, done: Done) -> None:
        if self._verbose:
            for model in order.recipe.models:
                if (found := self._loaded.get(model)) is not None:
                    click.echo(f"  {_described(found)}, {self._residents.tile_px} px", err=True)
            times = (f"{part} {getattr(done.timings, f'{part}_s'):.2f} s" for part in _PARTS)
            click.echo(f"  {', '.join(times)}", err=True)
        for note in done.notes:
            click.echo(f"  note: {log.escape(note)}", err=True)


def _open_results(path: Path) -> Results | None:
    try:
        return Results.open(path)
    except (StoreError, OSError) as error:
        click.echo(f"what is made is not remembered: {log.escape(str(error))}", err=True)
        return None


def _described(found: Resident) -> str:
    return f"{found.architecture} on {found.device} in {found.precision}, {found.exactness} tiles"


def _reason(outcome: Failed | Retry | Snoozed | Changed | Vanished) -> str:
    match outcome:
        case Changed():
            return "it changed while it was read"
        case Vanished():
            return "it is not there any more"
        case _:
            return outcome.reason


def _say_path(path: Path) -> None:
    """To a program the very bytes of the name, to a person what can be read."""
    click.echo(log.escape(str(path)) if sys.stdout.isatty() else os.fsencode(path))
