"""Whatever happens to inbox, disk, clock, worker and daemon, in whatever order: nothing is lost.

Real are the store (a file), recovery, intake, dispatcher, seat, the wait for a full disk and the
disposal of sources; twins are the watcher and the worker. The model of it is a folder: in the end
each file in it has been done once as it is now, with its own bytes.
"""

import contextlib
import hashlib
import itertools
import os
import random
import shutil
import tempfile
from pathlib import Path
from queue import Empty

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from support.fake_inboxes import ListInbox
from support.fakes import FakeClock, FakeExecutor
from upscaled.config.settings import RuleSettings
from upscaled.delivery import Delivery
from upscaled.job import JobState, Order
from upscaled.outcomes import Changed, Done, Outcome, Result, Vanished
from upscaled.output.source_cleanup import fingerprint
from upscaled.recipe import Recipe
from upscaled.service.events import Event, EventQueue
from upscaled.service.inboxes import specs
from upscaled.service.queue.crash_recovery import recover
from upscaled.service.queue.dispatch import Dispatcher
from upscaled.service.queue.intake import Intake
from upscaled.service.sources.cleanup_lanes import attempt
from upscaled.service.sources.cleanup_queue import CleanupQueue
from upscaled.service.store_retry import StoreRetry
from upscaled.service.workers.executor import Died, Said
from upscaled.service.workers.pool import WorkerPool
from upscaled.service.workers.slot import WorkerSlot
from upscaled.store.jobs import SourceCleanup, Store
from upscaled.watch.spec import ArrivalBatch
from upscaled.worker.messages import (
    Announced,
    Beat,
    Begin,
    Committed,
    DuplicateVerdict,
    Finished,
    Identified,
    Run,
    ToWorker,
)

NAMES = st.sampled_from(["a.png", "b.png", "deep/c.png"])
CONTENTS = st.sampled_from([b"one", b"two", b"three"])
BEGIN = Begin("cpu", "auto", None, "/models", "mark", {}, {})
_NO_LIMIT = 1 << 30
_MOST_TURNS = 9
"""From the inbox to the end of a job."""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class NoWait(EventQueue):
    """Time passes where it is told to."""

    def newest(self, timeout_s: float | None) -> Event | None:  # noqa: ARG002 - as the real one
        with contextlib.suppress(Empty):
            return self._queue.get_nowait()
        return None


class Honest(FakeExecutor):
    """It hashes what it finds, writes a result of it, and sees what changed meanwhile."""

    def _obey(self, message: ToWorker) -> None:
        match message:
            case Run(order):
                self._orders[order.job_id] = order
                if (trouble := self._trouble(order)) is not None:
                    self.say(Finished(order.job_id, trouble))
                else:
                    self.say(Identified(order.job_id, sha256(order.source.read_bytes())))
            case DuplicateVerdict(job_id, twin):
                order = self._orders[job_id]
                if (trouble := self._trouble(order)) is not None:
                    self.say(Finished(job_id, trouble))
                    return
                content = b"large " + order.source.read_bytes()
                path = order.delivery.folder / f"{job_id}.png"
                result = Result(path, sha256(content), 8, 8, 4)
                digest = sha256(order.source.read_bytes())
                self._results[job_id] = Done(result, digest, duplicate_of=twin and twin.job_id)
                self.say(Announced(job_id, result))
            case Committed(job_id):
                order, done = self._orders[job_id], self._results[job_id]
                if (trouble := self._trouble(order)) is not None:
                    self.say(Finished(job_id, trouble))
                    return
                done.result.path.write_bytes(b"large " + order.source.read_bytes())
                self.say(Finished(job_id, done))
            case _:
                pass

    def _trouble(self, order: Order) -> Outcome | None:
        found = fingerprint(order.source)
        if found is None:
            return Vanished()
        assert order.fingerprint is not None
        return None if found.matches(order.fingerprint) else Changed()


class Whole(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="upscaled-whole-"))
        self.inbox, self.outbox = self.folder / "inbox", self.folder / "outbox"
        self.shelf = self.folder / "shelf"
        for made in (self.inbox / "deep", self.shelf / "deep", self.outbox):
            made.mkdir(parents=True)
        self.times_ns = itertools.count(1_800_000_000 * 10**9)
        self.clock = FakeClock()
        self.owner = 0
        self.priority = 0
        self.glances = 0
        self.files: dict[Path, bytes] = {}
        self.shelved: dict[str, bytes] = {}

    def teardown(self) -> None:
        """Each run of the machine ends with what has to hold in the end."""
        try:
            self.in_the_end_each_file_has_been_done_once()
        finally:
            self.store.close()
            shutil.rmtree(self.folder)

    # The daemon

    @initialize()
    def start(self) -> None:
        self.owner += 1
        repeatable = random.Random(5)  # noqa: S311 (delays, not cryptography)
        self.raw = Store.open(self.folder / "upscaled.db", repeatable)
        self.mailbox = NoWait()
        self.patience = StoreRetry(
            self.mailbox,
            self.clock,
            is_urgent=lambda _: False,
            attend=self.attend,
            relieved=lambda: self.pool.reset_deadlines(),  # noqa: PLW0108 (not made yet)
        )
        self.store = self.patience.with_store(self.raw)
        self.pool = WorkerPool(
            ["cpu"],
            lambda device: WorkerSlot(
                device, lambda _: Honest(BEGIN, self.deliver), self.clock, None
            ),
        )
        self.dispatcher = Dispatcher(
            self.store, self.clock, f"owner {self.owner}", self.pool, [self.ended]
        )
        self.sources = CleanupQueue(self.store, self.clock, self.dispose)
        self.intake = Intake(self.store, self.clock)
        recover(self.store, f"owner {self.owner}", self.clock.now())
        self.watch()

    def watch(self) -> None:
        """A new inbox, which knows nothing, finds all that is there."""
        self.rules = [
            RuleSettings(
                "photos",
                (self.inbox,),
                Recipe("m"),
                Delivery(self.outbox),
                priority=self.priority,
            )
        ]
        (spec,) = specs(self.rules)
        self.watched = ListInbox(spec, self.mailbox.put, self.clock)
        for path in self.files:
            self.watched.drop(path)
        self.watched.start()

    def deliver(self, event: Said | Died) -> None:
        self.mailbox.put(event)

    def attend(self, _event: Event | None) -> bool:
        """Each second of a wait for the disk: somebody makes room in the third."""
        self.clock.advance(1.0)
        self.glances += 1
        if self.glances % 3 == 0:
            self.make_room()
        return True

    def ended(self, order: Order, outcome: Outcome, state: JobState) -> None:
        found = fingerprint(order.source)
        stale = found is not None and order.fingerprint and not found.matches(order.fingerprint)
        if isinstance(outcome, Changed | Vanished) or stale:
            self.watched.resettle(order.source)
        if state is not JobState.WAITING:
            self.sources.offer(order.job_id)

    def dispose(self, pending: SourceCleanup) -> None:
        self.mailbox.put(attempt(pending, "mark"))

    def turn(self) -> bool:
        """One event, and what follows; whether there was one."""
        event = self.mailbox.next(0)
        match event:
            case Said(executor, message):
                self.dispatcher.on_message(executor, message)
            case Died():
                self.dispatcher.on_worker_died(event)
            case ArrivalBatch():
                self.intake.take(self.rules, event)
            case None:
                pass
            case _:
                self.sources.hear(event)
        self.sources.settle()
        self.dispatcher.step(self.rules)
        return event is not None

    # What happens

    @rule(name=NAMES, content=CONTENTS)
    def drop_or_replace(self, name: str, content: bytes) -> None:
        path, partial = self.inbox / name, self.inbox / ".part"
        partial.write_bytes(content)
        # Inode numbers come again, and within a tick of the kernel the times of files are equal.
        time_ns = next(self.times_ns)
        os.utime(partial, ns=(time_ns, time_ns))
        partial.replace(path)
        self.files[path] = content
        self.watched.drop(path)

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        path = self.inbox / name
        path.unlink(missing_ok=True)
        self.files.pop(path, None)
        self.watched.remove(path)

    @rule(name=NAMES, other=NAMES)
    def rename(self, name: str, other: str) -> None:
        old, new = self.inbox / name, self.inbox / other
        if old in self.files and old != new:
            old.replace(new)
            self.files[new] = self.files.pop(old)
            self.watched.remove(old)
            self.watched.drop(new)

    @rule(name=NAMES)
    def take_away(self, name: str) -> None:
        """To where nobody looks; it may come back as it was."""
        path = self.inbox / name
        if path in self.files:
            path.replace(self.shelf / name)
            self.shelved[name] = self.files.pop(path)
            self.watched.remove(path)

    @rule(name=NAMES)
    def bring_back(self, name: str) -> None:
        path = self.inbox / name
        if name in self.shelved:
            (self.shelf / name).replace(path)
            self.files[path] = self.shelved.pop(name)
            self.watched.drop(path)

    @rule(name=NAMES, contents=st.tuples(CONTENTS, CONTENTS), turns=st.integers(0, 3))
    def replace_while_it_runs(self, name: str, contents: tuple[bytes, bytes], turns: int) -> None:
        self.drop_or_replace(name, contents[0])
        self.work_until_it_runs(name)
        self.work(turns)
        self.drop_or_replace(name, contents[1])

    @rule(name=NAMES, content=CONTENTS, turns=st.integers(1, 6))
    def take_away_while_it_runs(self, name: str, content: bytes, turns: int) -> None:
        self.drop_or_replace(name, content)
        self.work_until_it_runs(name)
        self.take_away(name)
        self.work(turns)
        self.bring_back(name)

    def work_until_it_runs(self, name: str) -> None:
        """Unless something keeps it from that."""
        for _ in range(_MOST_TURNS):
            if any(f.order.source == self.inbox / name for f in self.pool.in_flight):
                return
            self.turn()

    @rule(name=NAMES, content=CONTENTS, turns=st.integers(1, 6))
    def drop_and_work(self, name: str, content: bytes, turns: int) -> None:
        """Something in the middle of which the rest happens."""
        self.drop_or_replace(name, content)
        self.work(turns)

    @rule(turns=st.integers(1, 9))
    def work(self, turns: int) -> None:
        for _ in range(turns):
            self.turn()

    @rule()
    def worker_dies(self) -> None:
        worker = self.pool.slots[0].worker
        if isinstance(worker, Honest):
            worker.die("killed by SIGKILL", -9)

    @rule()
    def daemon_dies(self) -> None:
        """What it was told and had not looked at is lost with it."""
        self.store.close()
        self.start()

    @rule(priority=st.integers(-1, 1))
    def reload(self, priority: int) -> None:
        self.priority = priority
        self.watched.stop()
        self.watch()

    @rule(which=st.sampled_from(["", "photos"]))
    def pause(self, which: str) -> None:
        self.store.pause(which, "by hand", self.clock.now())

    @rule(which=st.sampled_from(["", "photos"]))
    def resume(self, which: str) -> None:
        self.store.resume(which)

    @rule(seconds=st.sampled_from([-1e8, -3600.0, 5.0, 1e6]))
    def clock_steps(self, seconds: float) -> None:
        self.clock.jump(seconds)

    @rule(seconds=st.sampled_from([1.0, 61.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        worker = self.pool.slots[0].worker
        if isinstance(worker, Honest):
            worker.say(Beat(1))
            self.turn()

    @rule()
    def disk_fills_up(self) -> None:
        (pages,) = self.raw._session.conn.execute("PRAGMA page_count").fetchone()
        self.raw._session.conn.execute(f"PRAGMA max_page_count = {pages}")

    @rule()
    def make_room(self) -> None:
        self.raw._session.conn.execute(f"PRAGMA max_page_count = {_NO_LIMIT}")

    # What holds

    @invariant()
    def no_result_is_half_written_or_of_other_bytes(self) -> None:
        whole = {sha256(b"large " + content) for content in (b"one", b"two", b"three")}
        assert {sha256(path.read_bytes()) for path in self.outbox.iterdir()} <= whole

    @rule()
    def in_the_end_each_file_has_been_done_once(self) -> None:
        """And at any time before, once nothing is in the way."""
        self.make_room()
        self.store.resume("")
        # Three deaths of the worker are poison, however they came about.
        self.store.retry(None, self.clock.now())
        self.watched.rescan()
        for _ in range(40):
            while self.turn():
                pass
            self.time_passes(100.0)
        rows = self.raw._session.conn.execute(
            "SELECT path, inode, mtime_ns, output, state FROM job"
        ).fetchall()
        assert all(state not in {"waiting", "running"} for *_, state in rows), rows
        for path, content in self.files.items():
            found = fingerprint(path)
            assert found is not None
            results = [
                Path(output.decode())
                for source, inode, mtime_ns, output, state in rows
                if (source, inode, mtime_ns, state)
                == (str(path).encode(), found.inode, found.mtime_ns, "done")
            ]
            assert len(results) == 1, (path, rows)
            assert results[0].read_bytes() == b"large " + content


TestWhole = Whole.TestCase
TestWhole.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
