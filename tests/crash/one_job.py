"""The queue and its jobs in one thread of one process, so that strace can count their system calls.

What is real: the store, recovery, intake, dispatcher and slot, the steps of the worker's lanes
(reading, decoding, encoding, publishing), the disposal of sources. What is a twin: the network
(nearest neighbour), the worker process (the same steps, called in turn), the watcher (one
listing), and time, which leaps over waits.

strace counts for each thread on its own; with the real threads the n-th call of one would hide
that of another. Started once, this program forks a child for each command, which saves the imports:
one JSON object a line on stdin (`root`, `traced`), the child's pid and exit status on stdout.

A child ends with 0 (everything is done), 3 (something still waits), or 1 (the store failed:
the daemon would end, and systemd would start it again).
"""

import contextlib
import ctypes
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import Empty
from typing import Any, NoReturn

import upscaled.image.decode  # noqa: F401 - loaded once, before any child
from support.fakes import NearestUpscaler
from upscaled import codec
from upscaled.clock import SystemClock
from upscaled.config.settings import RuleSettings
from upscaled.delivery import Delivery
from upscaled.errors import StoreError
from upscaled.job import Arrival, JobState, Order
from upscaled.outcomes import Outcome
from upscaled.output.publish import sweep
from upscaled.output.source_cleanup import fingerprint
from upscaled.recipe import Recipe
from upscaled.service import lock
from upscaled.service.queue import crash_recovery
from upscaled.service.queue.crash_recovery import recover, written_folders
from upscaled.service.queue.dispatch import Dispatcher
from upscaled.service.queue.intake import Intake
from upscaled.service.sources.cleanup_lanes import attempt
from upscaled.service.sources.cleanup_queue import CleanupQueue
from upscaled.service.workers.executor import Deliver, Died, Said
from upscaled.service.workers.pool import WorkerPool
from upscaled.service.workers.slot import WorkerSlot
from upscaled.store.jobs import SourceCleanup, Store
from upscaled.watch.spec import ArrivalBatch
from upscaled.worker.lanes import Lanes
from upscaled.worker.messages import Beat, Committed, DuplicateVerdict, Run, ToWorker

# strace watches one thread: a disk that does not answer is not what is tested here.
crash_recovery.call_with_timeout = lambda _limit_s, call: call()

STILL_WAITING = 3
_MOST_LEAPS = 30
_PR_SET_PTRACER = 0x59616D61


class LeapingClock(SystemClock):
    """Nobody waits: where something is due later, it is later."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s

    def now(self) -> float:
        return super().now() + self.ahead_s


class _Residents:
    tile_px = None

    def get(self, _recipe: Recipe) -> NearestUpscaler:
        return NearestUpscaler()

    def report_learned(self, _upscaler: object) -> None:
        pass


class InlineWorker:
    """An `Executor` whose lanes are called one after the other, by `work`."""

    pid = 0

    def __init__(self, deliver: Deliver, mark: str) -> None:
        residents: Any = _Residents()
        self._lanes = Lanes(
            residents, lambda said: deliver(Said(self, said)), threading.Event(), mark=mark
        )
        self._orders: list[Order] = []

    def send(self, message: ToWorker) -> None:
        match message:
            case Run(order):
                self._orders.append(order)
            case DuplicateVerdict() | Committed():
                self._lanes.ledger.answer(message)
            case _:
                pass

    def kill(self) -> None:
        raise NotImplementedError

    def work(self) -> None:
        lanes = self._lanes
        while self._orders:
            order = self._orders.pop(0)
            lanes.ledger.open(order.job_id)
            lanes._attempt(order, partial(lanes._prepare, order))
            try:
                prepared = lanes._prepared.get_nowait()
                lanes._attempt(order, partial(lanes._upscale, prepared))
                upscaled = lanes._upscaled.get_nowait()
            except Empty:
                continue
            lanes._attempt(order, partial(lanes._deliver, upscaled))


class Queue:
    """What the supervisor does in its thread, without its sockets, signals and waits."""

    def __init__(self, root: Path, store: Store) -> None:
        self.store = store
        self.clock = LeapingClock()
        self.rules = read_rules(root)
        owner = lock.owner_id()
        folders = written_folders(rule.delivery for rule in self.rules)
        recover(store, owner, self.clock.now())
        for folder in folders:
            sweep(folder, store.store_id)
        self.workers: list[InlineWorker] = []
        self.pool = WorkerPool(
            ["cpu"], lambda device: WorkerSlot(device, self._start, self.clock, None)
        )
        self.dispatcher = Dispatcher(store, self.clock, owner, self.pool, [self._ended])
        self.sources = CleanupQueue(store, self.clock, self._dispose)

    def _start(self, _device: str) -> InlineWorker:
        self.workers.append(InlineWorker(self._hear, self.store.store_id))
        return self.workers[-1]

    def _hear(self, said: Said | Died) -> None:
        assert isinstance(said, Said)
        try:
            self.dispatcher.on_message(said.executor, said.message)
        except StoreError as error:
            # The supervisor ends, and takes the worker with it wherever that is just then.
            end(error)

    def _ended(self, order: Order, _outcome: Outcome, state: JobState) -> None:
        if state in {JobState.DONE, JobState.FAILED}:
            self.sources.offer(order.job_id)

    def _dispose(self, pending: SourceCleanup) -> None:
        self.sources.hear(attempt(pending, self.store.store_id))

    def run(self) -> int:
        for rule in self.rules:
            for inbox in rule.roots:
                Intake(self.store, self.clock).take(self.rules, list_inbox(inbox))
        for _ in range(_MOST_LEAPS):
            self._drain()
            due = self.store.next_wake(self.clock.now())
            waits_s = [] if due is None else [due - self.clock.now()]
            if self.store.disposals():
                waits_s.append(60.0)
            if not waits_s:
                return 0
            self.clock.ahead_s += max(min(waits_s), 0.0) + 0.001
            if self.workers:
                # Nobody was silent for as long as the clock leapt.
                self.dispatcher.on_message(self.workers[-1], Beat(1))
        return STILL_WAITING

    def _drain(self) -> None:
        while True:
            self.sources.settle()
            self.dispatcher.step(self.rules)
            if not self.workers:
                continue
            worker = self.workers[-1]
            if self.pool.slots[0].report.beat is None:
                self.dispatcher.on_message(worker, Beat(1))
            elif self.pool.in_flight:
                worker.work()
            else:
                return


def read_rules(root: Path) -> list[RuleSettings]:
    """One for each `*.rule` in `root`: its delivery, and an inbox of its name."""
    return [
        RuleSettings(
            name=file.stem,
            roots=(root / file.stem,),
            recipe=Recipe("nearest"),
            delivery=codec.loads(file.read_text(encoding="utf-8"), Delivery),
        )
        for file in sorted(root.glob("*.rule"))
    ]


def list_inbox(inbox: Path) -> ArrivalBatch:
    arrivals = []
    for path in sorted(inbox.iterdir()):
        found = fingerprint(path)
        if found is not None and not path.name.startswith("."):
            arrivals.append(Arrival(path, found))
    return ArrivalBatch(inbox, tuple(arrivals), scanned=True)


def one_run(root: Path) -> int:
    try:
        store = Store.open(root / "state" / "upscaled.db")
        try:
            return Queue(root, store).run()
        finally:
            store.close()
    except StoreError as error:
        end(error)


def end(error: StoreError) -> NoReturn:
    with contextlib.suppress(OSError):
        sys.stderr.write(f"the daemon ends: {error}\n")
        sys.stderr.flush()
    os._exit(1)


def be_the_child(command: dict[str, Any]) -> int:
    root = Path(command["root"])
    log = os.open(root / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, sys.stderr.fileno())
    os.environ |= {"HOME": str(root), "XDG_DATA_HOME": str(root / "data")}
    if command.get("traced"):
        # Yama lets a stranger trace only who allows it.
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, -1, 0, 0, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
    logging.raiseExceptions = False
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    return one_run(root)


def say(**words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def fork(work: Callable[[], int]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 2
        try:
            code = work()
        except BaseException:
            logging.getLogger(__name__).exception("a child ended")
        finally:
            # The log is written by calls that are made to fail, too.
            with contextlib.suppress(OSError):
                sys.stderr.flush()
            os._exit(code)
    return pid


def main() -> None:
    for line in sys.stdin:
        pid = fork(partial(be_the_child, json.loads(line)))
        say(pid=pid)
        _, status = os.waitpid(pid, 0)
        say(status=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
