"""Jobs to the worker and their outcomes to the store, with a worker that a test plays."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.builders import DELIVERY, INBOX, RECIPE, arrival, done, result
from support.fakes import FakeClock, FakeExecutor
from upscaled.config.settings import RuleSettings
from upscaled.errors import ExitCode
from upscaled.job import JobState, Order
from upscaled.outcomes import Changed, Failed, Interrupted, Outcome, Retry
from upscaled.service.queue import dispatch
from upscaled.service.queue.dispatch import Dispatcher
from upscaled.service.workers import slot as slots
from upscaled.service.workers.executor import Died, Said
from upscaled.service.workers.pool import WorkerPool
from upscaled.service.workers.slot import HELD_S, STALL_S, WorkerSlot
from upscaled.store.jobs import Store
from upscaled.worker.messages import (
    Announced,
    Beat,
    Begin,
    Committed,
    DuplicateVerdict,
    Fetching,
    Finished,
    Identified,
    Progressed,
    Resident,
    Stop,
    TilesLearned,
    Unusable,
)

BEGIN = Begin("cpu", "auto", None, "/models", "mark", {}, {})
BEAT = Beat(1_000_000)


class Daemon:
    """A dispatcher, its store, and one worker after the other in each slot."""

    def __init__(self, devices: int = 1, keep_alive_s: float | None = None) -> None:
        self.clock = FakeClock()
        self.store = Store.in_memory()
        self.workers: list[FakeExecutor] = []
        self.ended: list[tuple[int, Outcome, JobState]] = []
        self.refuse: OSError | None = None
        self.pool = WorkerPool(
            [f"cuda:{n}" for n in range(devices)],
            lambda device: WorkerSlot(device, self._start, self.clock, keep_alive_s),
        )
        self.dispatcher = Dispatcher(self.store, self.clock, "me", self.pool, [self._note])
        self.rules = [RuleSettings("photos", (INBOX,), RECIPE, DELIVERY)]

    def _start(self, device: str) -> FakeExecutor:
        if self.refuse is not None:
            raise self.refuse
        worker = FakeExecutor(replace(BEGIN, device=device), self._deliver, willing=False)
        self.workers.append(worker)
        return worker

    def _note(self, order: Order, outcome: Outcome, state: JobState) -> None:
        self.ended.append((order.job_id, outcome, state))

    def _deliver(self, event: Said | Died) -> None:
        if isinstance(event, Died):
            self.dispatcher.on_worker_died(event)
        else:
            self.dispatcher.on_message(event.executor, event.message)

    @property
    def worker(self) -> FakeExecutor:
        return self.workers[-1]

    @property
    def slot(self) -> WorkerSlot:
        return self.pool.slots[0]

    def drop(self, *names: str, rule: str = "photos", **more: Any) -> None:
        arrivals = [arrival(name) for name in names]
        options = {"recipe": RECIPE, "delivery": DELIVERY, "now": self.clock.now()} | more
        self.store.admit(rule, INBOX, arrivals, **options)

    def step(self, seconds: float = 0.0) -> None:
        """After `seconds` in which each worker that lives has beaten."""
        self.clock.advance(seconds)
        for slot in self.pool.slots:
            if slot.report.beat is not None:
                slot.on_message(BEAT)
        self.dispatcher.step(self.rules)

    def up(self) -> FakeExecutor:
        """A worker that lives and has what it can take."""
        self.step()
        self.worker.say(BEAT)
        self.step()
        return self.worker

    def attempts(self) -> dict[int, int]:
        rows = self.store._session.conn.execute("SELECT id, attempts FROM job ORDER BY id")
        return dict(rows.fetchall())

    def states(self) -> list[str]:
        rows = self.store._session.conn.execute("SELECT state FROM job ORDER BY id")
        return [row[0] for row in rows]


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    daemon = Daemon()
    yield daemon
    daemon.store.close()


# The start


def test_nothing_is_claimed_before_the_worker_shows_itself(daemon: Daemon) -> None:
    daemon.drop("a.png")
    daemon.step()
    daemon.step(5)
    assert daemon.worker.sent == []
    assert daemon.attempts() == {1: 0}
    daemon.worker.say(BEAT)
    daemon.step()
    assert daemon.worker.jobs == [1]
    assert daemon.attempts() == {1: 1}


def test_it_is_kept_busy_to_its_depth(daemon: Daemon) -> None:
    daemon.drop(*(f"{n}.png" for n in range(6)))
    worker = daemon.up()
    assert worker.jobs == [1, 2, 3]
    worker.say(Finished(2, done()))
    daemon.step()
    assert worker.jobs == [1, 2, 3, 4]


def test_a_start_that_fails_is_tried_again_later_and_later(daemon: Daemon) -> None:
    daemon.refuse = OSError(12, "Cannot allocate memory")
    daemon.step()
    assert daemon.workers == []
    assert "Cannot allocate memory" in daemon.slot.last_death
    daemon.step()
    waits = [daemon.pool.restart_in_s]
    for _ in range(3):
        daemon.step(daemon.pool.restart_in_s)
        waits.append(daemon.pool.restart_in_s)
    assert waits == [1.0, 3.0, 7.0, 15.0]
    daemon.refuse = None
    daemon.step(15)
    assert len(daemon.workers) == 1


def test_restarts_are_spaced_and_never_give_up(daemon: Daemon) -> None:
    waits = []
    for _ in range(1_100):  # beyond what 2.0**n can hold
        daemon.step(daemon.pool.restart_in_s or 0)
        daemon.worker.die("exit code 1", 1)
        waits.append(daemon.pool.restart_in_s)
    assert waits[:7] == [0.0, 1.0, 3.0, 7.0, 15.0, 30.0, 30.0]
    assert waits[-1] == 30.0


def test_a_job_that_is_done_makes_the_next_restart_quick(daemon: Daemon) -> None:
    for _ in range(4):
        daemon.step(100)
        daemon.worker.die("exit code 1", 1)
    daemon.drop("a.png")
    daemon.step(100)
    daemon.worker.say(BEAT)
    daemon.step()
    daemon.worker.say(Finished(1, done()))
    daemon.worker.die("exit code 1", 1)
    assert daemon.pool.restart_in_s == 0.0


# The conversation


def test_questions_are_answered_and_outcomes_recorded(daemon: Daemon) -> None:
    daemon.drop("a.png")
    worker = daemon.up()
    worker.say(Progressed(1, "upscale", 2, 5))
    (flight,) = daemon.pool.in_flight
    assert (flight.stage, flight.done, flight.total) == ("upscale", 2, 5)
    worker.say(Identified(1, "c" * 64))
    worker.say(Announced(1, result()))
    assert worker.sent[1:] == [DuplicateVerdict(1, None), Committed(1)]
    (orphan,) = daemon.store.orphans("next")
    assert orphan.result == result(), "committed before the answer"
    worker.say(Finished(1, done()))
    assert daemon.ended == [(1, done(), JobState.DONE)]
    assert daemon.pool.in_flight == []
    assert daemon.states() == ["done"]


def test_what_is_said_of_a_job_that_it_does_not_have_is_ignored(daemon: Daemon) -> None:
    daemon.drop("a.png")
    worker = daemon.up()
    worker.say(Finished(1, done()))
    for message in (
        Finished(1, Failed("again")),
        Finished(99, done()),
        Identified(99, "c"),
        Announced(99, result()),
        Progressed(99, "x", 1, 2),
    ):
        worker.say(message)
    assert daemon.states() == ["done"]


def test_what_a_dead_worker_says_is_ignored(daemon: Daemon) -> None:
    daemon.drop("a.png")
    old = daemon.up()
    old.die("SIGKILL", -9)
    daemon.step(60)
    old.say(Finished(1, done()))
    old.is_dead = False
    old.die("again", 1)
    assert daemon.states() == ["waiting"]
    assert daemon.slot.worker is daemon.worker


def test_what_it_says_of_itself_is_kept_for_status(daemon: Daemon) -> None:
    worker = daemon.up()
    state = daemon.slot.report
    worker.say(Fetching("m", "fetch", 1, 2))
    assert state.fetching
    worker.say(Unusable("m", "no network"))
    assert (state.fetching, list(state.unusable)) == (None, ["m"])
    worker.say(Resident("m", "ESRGAN", 4, "cpu", "bf16", "exact", 1.0))
    assert (state.unusable, state.resident is not None) == ({}, True)
    worker.say(TilesLearned({"tile": "128"}))
    assert daemon.store.learned() == {"tile": "128"}


def test_the_licence_of_a_model_is_told_once_before_it_is_fetched(
    daemon: Daemon, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    worker = daemon.up()
    for done_bytes in (0, 1, 2):
        worker.say(Fetching("realesrgan-x4plus", "fetch", done_bytes, 2))
    said = [record.getMessage() for record in caplog.records if "fetched" in record.getMessage()]
    assert len(said) == 1
    assert "licence BSD-3-Clause, https://" in said[0]


@pytest.mark.parametrize("outcome", [Retry("cut"), Changed(), Interrupted()])
def test_the_end_is_told_with_the_state_that_the_store_gave(
    daemon: Daemon, outcome: Outcome
) -> None:
    daemon.drop("a.png")
    daemon.up().say(Finished(1, outcome))
    state = JobState.CANCELLED if isinstance(outcome, Changed) else JobState.WAITING
    assert daemon.ended == [(1, outcome, state)]


# Twins in flight


def test_equal_images_in_flight_wait_for_each_other(daemon: Daemon) -> None:
    daemon.drop("a.png", "b.png", "c.png")
    worker = daemon.up()
    for job_id in (1, 2, 3):
        worker.say(Identified(job_id, "c" * 64))
    assert [m for m in worker.sent if isinstance(m, DuplicateVerdict)] == [
        DuplicateVerdict(1, None)
    ]
    worker.say(Finished(1, done()))
    told = [m for m in worker.sent if isinstance(m, DuplicateVerdict)]
    assert told[1].job_id == 2
    assert told[1].twin
    assert told[1].twin.job_id == 1
    worker.say(Finished(2, done()))
    assert [m.job_id for m in worker.sent if isinstance(m, DuplicateVerdict)] == [1, 2, 3]


@pytest.mark.parametrize("end", [Failed("bad"), Interrupted(), Retry("cut")])
def test_the_second_goes_on_by_itself_where_the_first_gave_nothing(
    daemon: Daemon, end: Outcome
) -> None:
    daemon.drop("a.png", "b.png")
    worker = daemon.up()
    worker.say(Identified(1, "c" * 64))
    worker.say(Identified(2, "c" * 64))
    worker.say(Finished(1, end))
    assert DuplicateVerdict(2, None) in worker.sent


def test_three_equal_images_on_two_devices_all_come_through() -> None:
    daemon = Daemon(devices=2)
    daemon.drop(*(f"{n}.png" for n in range(5)))
    daemon.step()
    first, second = daemon.workers
    for worker in (first, second):
        worker.say(BEAT)
    daemon.step()
    for worker in (first, second):
        for job_id in worker.jobs:
            worker.say(Identified(job_id, "c" * 64))
    open_jobs = {job_id: worker for worker in (first, second) for job_id in worker.jobs}
    assert len(open_jobs) == 5
    while open_jobs:
        answered = {
            job_id
            for job_id, worker in open_jobs.items()
            if any(isinstance(m, DuplicateVerdict) and m.job_id == job_id for m in worker.sent)
        }
        assert answered, "they wait for each other"
        for job_id in answered:
            open_jobs.pop(job_id).say(Finished(job_id, done()))
    assert daemon.states() == ["done"] * 5
    daemon.store.close()


def test_what_waits_behind_a_dead_devices_job_goes_on() -> None:
    daemon = Daemon(devices=2)
    daemon.drop(*(f"{n}.png" for n in range(4)))
    daemon.step()
    first, second = daemon.workers
    for worker in (first, second):
        worker.say(BEAT)
    daemon.step()
    first.say(Identified(1, "c" * 64))
    waiting = second.jobs[0]
    second.say(Identified(waiting, "c" * 64))
    assert DuplicateVerdict(waiting, None) not in second.sent
    first.die("SIGKILL", -9)
    assert DuplicateVerdict(waiting, None) in second.sent
    daemon.store.close()


# Death


def test_a_death_with_several_in_flight_costs_no_attempt_and_runs_them_one_by_one(
    daemon: Daemon,
) -> None:
    daemon.drop("a.png", "b.png", "c.png", "d.png")
    daemon.up().die("killed by SIGSEGV", -11)
    assert daemon.attempts() == {1: 0, 2: 0, 3: 0, 4: 0}
    assert daemon.ended == []
    worker = daemon.up()
    assert worker.jobs == [4], "the innocent first"
    worker.say(Finished(4, done()))
    daemon.step()
    assert worker.jobs == [4, 1], "then one suspect, alone"


def test_a_job_that_kills_three_workers_alone_is_poison_and_its_source_is_told(
    daemon: Daemon,
) -> None:
    daemon.drop("a.png")
    for _ in range(3):
        daemon.clock.advance(100)
        daemon.up().die("killed by SIGSEGV", -11)
    assert daemon.states() == ["failed"]
    assert [(job_id, state) for job_id, _, state in daemon.ended] == [(1, JobState.FAILED)]


def test_a_lost_device_is_no_jobs_fault(daemon: Daemon) -> None:
    daemon.drop("a.png", "b.png")
    for _ in range(5):
        daemon.clock.advance(100)
        daemon.up().die("exit code 75", ExitCode.TEMPFAIL)
    assert daemon.attempts() == {1: 0, 2: 0}
    rows = daemon.store._session.conn.execute(
        "SELECT sum(suspect), sum(deaths) FROM job"
    ).fetchone()
    assert rows == (0, 0)


def test_an_idle_worker_that_dies_is_started_again(daemon: Daemon) -> None:
    daemon.up().die("killed by SIGKILL", -9)
    daemon.step()
    assert len(daemon.workers) == 2


# Silence


def test_a_worker_without_a_word_is_killed_and_its_beats_do_not_count(daemon: Daemon) -> None:
    daemon.drop("a.png")
    worker = daemon.up()
    for _ in range(10):
        daemon.step(STALL_S / 12)
        worker.say(BEAT)
    worker.say(Progressed(1, "upscale", 1, 9))
    daemon.step(STALL_S - 1)
    assert not worker.is_dead
    daemon.step(2)
    assert worker.is_dead
    assert daemon.states() == ["waiting"]
    assert daemon.attempts() == {1: 1}, "alone: it counts"


@pytest.mark.parametrize("is_disk", [True, False], ids=["its disk is dead", "the device"])
def test_a_worker_that_the_kernel_holds_is_no_jobs_fault(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, *, is_disk: bool
) -> None:
    daemon.drop("a.png", "b.png")
    worker = daemon.up()
    monkeypatch.setattr(slots, "holds_any_thread", lambda pid: pid == worker.pid)
    hanging = next(flight.order.source for flight in daemon.pool.in_flight)
    answering = threading.Event()
    dead = frozenset({hanging} if is_disk else ())
    monkeypatch.setattr(dispatch, "find_unresponsive", lambda _paths, _limit_s: dead)

    def ask(path: Path) -> threading.Thread:
        assert path == hanging
        thread = threading.Thread(target=answering.wait)
        thread.start()
        return thread

    monkeypatch.setattr(dispatch, "ask_until_it_answers", ask)
    daemon.step(HELD_S)
    assert not worker.is_dead
    daemon.step(1)
    assert worker.is_dead
    assert daemon.states() == ["waiting", "waiting"]
    assert daemon.attempts() == {1: 0, 2: 0}
    reasons = dict(daemon.store._session.conn.execute("SELECT id, reason FROM job"))
    if is_disk:
        (pause,) = daemon.store._session.conn.execute("SELECT rule, reason FROM pause")
        assert pause == ("photos", f"the disk of {hanging} does not answer")
        assert reasons[2] is None, "it was only behind it"
        daemon.up()
        daemon.step(600)
        assert daemon.pool.in_flight == [], "the rule waits for its disk"
        answering.set()
        daemon.dispatcher._dead["photos"].join()
        daemon.step(1)
        assert len(daemon.pool.in_flight) == 1, "one job finds out"
    else:
        assert set(reasons.values()) == {"a disk, or the device, does not answer"}


def test_a_file_that_hangs_each_worker_fails_with_what_it_did_and_what_to_do(
    daemon: Daemon,
) -> None:
    daemon.drop("a.png")
    for _ in range(3):
        daemon.step(100)
        daemon.up()
        daemon.step(STALL_S + 1)
    row = daemon.store._session.conn.execute("SELECT state, reason, hint FROM job").fetchone()
    hung = "the worker hung: it made no progress for 10 min, and was ended"
    assert row == (
        "failed",
        f"it killed the worker 3 times ({hung})",
        "does another program open it? to try again: upscaled retry 1",
    )
    assert daemon.slot.last_death is not None
    assert "SIGKILL" not in daemon.slot.last_death


def test_the_next_death_is_not_taken_for_the_last_one(daemon: Daemon) -> None:
    daemon.drop("a.png")
    daemon.up()
    daemon.step(STALL_S + 1)
    daemon.up().die("killed by SIGSEGV", -11)
    assert daemon.slot.last_death == "died: killed by SIGSEGV"


def test_an_idle_worker_may_be_silent(daemon: Daemon) -> None:
    worker = daemon.up()
    daemon.step(10 * STALL_S)
    daemon.drop("a.png")
    daemon.step(10 * STALL_S)
    daemon.step()
    assert not worker.is_dead
    assert worker.jobs == [1]


def test_a_model_that_is_being_fetched_is_a_word(daemon: Daemon) -> None:
    daemon.drop("a.png")
    worker = daemon.up()
    for n in range(5):
        daemon.step(STALL_S - 1)
        worker.say(Fetching("m", "fetch", n, None))
    assert not worker.is_dead


def test_a_wall_clock_that_jumps_kills_nobody(daemon: Daemon) -> None:
    daemon.drop("a.png")
    worker = daemon.up()
    daemon.clock.jump(1e8)
    daemon.step()
    assert not worker.is_dead


def test_a_job_that_is_not_done_in_time_fails_and_the_others_lose_nothing(daemon: Daemon) -> None:
    daemon.rules = [replace(daemon.rules[0], timeout_s=100.0)]
    daemon.drop("slow.png", "b.png")
    worker = daemon.up()
    daemon.step(1)
    worker.say(Progressed(1, "upscale", 1, 9))
    daemon.step(98)
    assert not worker.is_dead
    daemon.step(3)
    assert worker.is_dead
    assert daemon.states() == ["failed", "waiting"]
    assert daemon.attempts()[2] == 0
    assert daemon.pool.restart_in_s == 0.0


def test_a_disk_that_shows_to_be_dead_after_a_timeout_keeps_its_rule_waiting(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker cannot be killed while the kernel holds it: the timeout comes first."""
    daemon.rules = [replace(daemon.rules[0], timeout_s=HELD_S / 2)]
    daemon.drop("a.png", "b.png")
    worker = daemon.up()
    monkeypatch.setattr(slots, "holds_any_thread", lambda _: True)
    monkeypatch.setattr(worker, "kill", lambda: None)
    dead = frozenset({daemon.pool.in_flight[1].order.source})
    monkeypatch.setattr(dispatch, "find_unresponsive", lambda _paths, _limit_s: dead)
    ended = threading.Thread(target=lambda: None)
    monkeypatch.setattr(dispatch, "ask_until_it_answers", lambda _: ended)
    daemon.step()
    daemon.step(HELD_S / 2 + 1)
    daemon.step(HELD_S)
    worker.die("killed by SIGKILL", -9)
    assert daemon.states() == ["failed", "waiting"]
    (pause,) = daemon.store._session.conn.execute("SELECT rule, reason FROM pause")
    assert pause == ("photos", f"the disk of {next(iter(dead))} does not answer")


# Rest


def test_an_idle_worker_rests_and_comes_back_for_work() -> None:
    daemon = Daemon(keep_alive_s=300)
    worker = daemon.up()
    daemon.step(299)
    assert worker.sent == []
    daemon.step(2)
    assert worker.sent == [Stop()]
    daemon.drop("a.png")
    daemon.step()
    assert worker.jobs == [], "it is going"
    worker.die("exit code 0", 0)
    assert daemon.slot.last_death is None
    daemon.step()
    assert len(daemon.workers) == 2
    daemon.store.close()


def test_a_resting_seat_stays_empty_while_there_is_no_work() -> None:
    daemon = Daemon(keep_alive_s=300)
    worker = daemon.up()
    daemon.step(301)
    worker.die("exit code 0", 0)
    daemon.step(10_000)
    assert len(daemon.workers) == 1
    assert daemon.pool.restart_in_s is None
    daemon.store.close()


# A changed configuration


def test_a_worker_that_is_renewed_does_what_it_has_and_is_started_again(daemon: Daemon) -> None:
    daemon.drop(*(f"{n}.png" for n in range(5)))
    worker = daemon.up()
    daemon.slot.restart_when_idle()
    for job_id in (1, 2, 3):
        daemon.step()
        assert Stop() not in worker.sent
        worker.say(Finished(job_id, done()))
    daemon.step()
    daemon.step()
    assert worker.jobs == [1, 2, 3]
    assert worker.sent.count(Stop()) == 1
    worker.die("exit code 0", 0)
    assert daemon.up().jobs == [4, 5]
    assert daemon.slot.last_death is None


def test_an_idle_worker_is_renewed_at_once_even_if_nothing_waits() -> None:
    daemon = Daemon(keep_alive_s=300)
    worker = daemon.up()
    daemon.slot.restart_when_idle()
    daemon.step()
    assert worker.sent == [Stop()]
    worker.die("exit code 0", 0)
    daemon.step()
    assert len(daemon.workers) == 2
    daemon.store.close()


def test_a_death_on_the_way_to_a_renewal_is_blamed_as_ever(daemon: Daemon) -> None:
    daemon.drop("a.png")
    worker = daemon.up()
    daemon.slot.restart_when_idle()
    worker.die("killed by SIGSEGV", -11)
    assert daemon.attempts() == {1: 1}
    assert daemon.up().jobs == [1]


def test_a_device_that_is_not_wanted_any_more_ends_its_work_and_goes() -> None:
    daemon = Daemon(devices=2)
    daemon.drop(*(f"{n}.png" for n in range(9)))
    daemon.step()
    first, second = daemon.workers
    for worker in (first, second):
        worker.say(BEAT)
    daemon.step()
    daemon.pool.slots[1].remove()
    for job_id in second.jobs:
        second.say(Finished(job_id, done()))
    daemon.step()
    assert second.sent[-1] == Stop()
    assert len(second.jobs) == 3
    second.die("exit code 0", 0)
    daemon.step()
    assert [slot.device for slot in daemon.pool.slots] == ["cuda:0"]
    assert len(daemon.workers) == 2
    daemon.store.close()


# The end


def test_stopping_gives_back_what_was_in_flight_and_starts_nothing(daemon: Daemon) -> None:
    daemon.drop("a.png", "b.png", "c.png")
    worker = daemon.up()
    worker.say(Progressed(1, "upscale", 1, 9, 100))
    daemon.pool.begin_stop()
    assert worker.sent[-1] == Stop()
    assert not daemon.pool.is_stopped
    worker.say(Finished(1, Interrupted()))
    worker.say(Finished(2, done()))
    daemon.step(1000)
    worker.die("exit code 0", 0)
    assert daemon.pool.is_stopped
    daemon.step(1000)
    assert len(daemon.workers) == 1
    assert daemon.states() == ["waiting", "done", "waiting"]
    assert daemon.attempts() == {1: 0, 2: 1, 3: 0}


def test_being_killed_while_stopping_costs_no_attempt(daemon: Daemon) -> None:
    daemon.drop("a.png")
    daemon.up().say(Progressed(1, "upscale", 1, 9, 100))
    daemon.pool.begin_stop()
    daemon.pool.kill()
    assert daemon.pool.is_stopped
    assert daemon.attempts() == {1: 0}


@pytest.mark.parametrize("stage", [None, "decode", "load"])
def test_a_worker_that_has_begun_no_tile_is_not_waited_for(
    daemon: Daemon, stage: str | None
) -> None:
    daemon.drop("a.png")
    worker = daemon.up()
    if stage:
        worker.say(Progressed(1, stage, 0, 1, 0))
    daemon.pool.begin_stop()
    assert daemon.pool.is_stopped, "while it loads a model, it hears nothing"
    assert daemon.attempts() == {1: 0}
    assert daemon.states() == ["waiting"]


def test_stopping_before_any_worker_is_over_at_once(daemon: Daemon) -> None:
    daemon.pool.begin_stop()
    assert daemon.pool.is_stopped
    daemon.step(100)
    assert daemon.workers == []


def test_files_of_every_name_are_dispatched(daemon: Daemon, tmp_path: Path) -> None:
    assert tmp_path
    daemon.drop("caf\udce9\n.png")
    worker = daemon.up()
    worker.say(Finished(1, Failed("caf\udce9")))
    assert daemon.states() == ["failed"]
