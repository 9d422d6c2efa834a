"""The daemon in this process: its real threads, sockets and database, with twins for the rest."""

import asyncio
import contextlib
import inspect
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conftest import Eventually
from support.fakes import FakeExecutor, ListNotifier
from upscaled.clock import SystemClock
from upscaled.config.settings import RuleSettings, Settings
from upscaled.control import server as control
from upscaled.control.client import ask
from upscaled.control.protocol import Request
from upscaled.delivery import Delivery
from upscaled.dirs import find_dirs
from upscaled.errors import ControlError, ExitCode, StoreUnavailable, UpscaledError
from upscaled.job import JobState
from upscaled.recipe import Recipe
from upscaled.service import daemon, lock
from upscaled.service.control_api import ControlApi
from upscaled.service.daemon import Daemon, run_daemon
from upscaled.service.events import EventQueue, Signalled
from upscaled.service.inboxes import real_inbox
from upscaled.service.parts import Seams
from upscaled.service.sources import cleanup_lanes
from upscaled.service.status.systemd_notify import Notifier, SystemdNotifier
from upscaled.service.workers import slot
from upscaled.service.workers.executor import Deliver
from upscaled.store.counts import Counts
from upscaled.store.database import Session
from upscaled.store.jobs import Store
from upscaled.store.views import open_views
from upscaled.watch import inbox as watch_inbox
from upscaled.worker.messages import Begin, Resident

LIMIT_S = 30.0


class Undying(FakeExecutor):
    """Hangs in the kernel: no signal ends it."""

    def kill(self) -> None:
        pass

    def send(self, message: Any) -> None:
        pass


class House:
    """One rule; `play` runs a scenario in a thread of its own while the daemon has this one."""

    def __init__(self, folder: Path, eventually: Eventually) -> None:
        self.eventually = eventually
        self.inbox, self.outbox = folder / "inbox", folder / "outbox"
        self.inbox.mkdir()
        rule = RuleSettings(
            "photos", (self.inbox,), Recipe("m"), Delivery(self.outbox), settle_s=0.0
        )
        self.settings = Settings((rule,))
        self.dirs = find_dirs()
        self.ears = ListNotifier(watchdog_interval_s=0.1)
        self.notifier: Notifier = self.ears
        self.workers: list[FakeExecutor] = []
        self.make_worker: Callable[[Begin, Deliver], FakeExecutor] = FakeExecutor
        self.failed: BaseException | None = None

    def _start_worker(self, begin: Begin, deliver: Deliver) -> FakeExecutor:
        self.workers.append(self.make_worker(begin, deliver))
        return self.workers[-1]

    def play(self, scenario: Callable[[], object], **options: Any) -> ExitCode:
        """Run the daemon until the scenario is over; what was wrong with either is raised."""
        seams = Seams(SystemClock(), self.notifier, self._start_worker, real_inbox)
        events = EventQueue()
        actor = threading.Thread(target=self._act, args=(scenario, events))
        actor.start()
        try:
            return run_daemon(
                self.settings, self.dirs, seams, events, load=lambda: self.settings, **options
            )
        finally:
            actor.join(LIMIT_S)
            if self.failed is not None:
                raise self.failed

    def _act(self, scenario: Callable[[], object], events: EventQueue) -> None:
        try:
            scenario()
        except BaseException as error:  # noqa: BLE001 (pytest's failures are such)
            self.failed = error
        finally:
            events.put(Signalled(signal.SIGTERM))

    @property
    def told(self) -> list[str]:
        """What systemd was told."""
        return [word for message in list(self.ears.sent) for word in message]

    def drop(self, name: str) -> Path:
        # Whole when it gets its name: nothing waits here for files to settle.
        partial = self.inbox / f".{name}.part"
        partial.write_bytes(os.urandom(8))
        return partial.rename(self.inbox / name)

    def status(self) -> dict[str, Any]:
        return ask(self.dirs, Request("status"))

    def problems(self) -> list[str]:
        try:
            return [problem["what"] for problem in self.status()["problems"]]
        except UpscaledError:
            return []

    def wait(self, condition: Callable[[], object], what: str) -> None:
        self.eventually(condition, LIMIT_S, what)

    def is_up(self) -> bool:
        try:
            return "opening" not in self.status()
        except UpscaledError:
            return False

    def states(self) -> list[str]:
        with open_views(self.dirs.store) as views:
            return [job.state for job in (views.job(n) for n in range(1, 20)) if job]

    def wait_done(self, count: int) -> None:
        self.wait(self.is_up, "it runs")
        self.wait(lambda: self.states() == [JobState.DONE] * count, f"{count} are done")


@pytest.fixture
def house(tmp_path: Path, eventually: Eventually) -> House:
    return House(tmp_path, eventually)


def test_it_does_what_is_dropped_and_ends_when_it_is_told(house: House) -> None:
    house.drop("a.png")

    assert house.play(lambda: house.wait_done(1)) == ExitCode.OK

    assert not house.dirs.socket.exists()


def test_a_reload_gives_the_workers_what_has_changed_for_them(house: House) -> None:
    def scenario() -> None:
        house.wait(lambda: house.is_up() and house.workers, "it runs")
        house.settings = replace(house.settings, keep_alive_s=5.0)
        ask(house.dirs, Request("reload"))
        house.settings = replace(house.settings, precision="fp32")
        ask(house.dirs, Request("reload"))
        house.wait(lambda: len(house.workers) == 2, "another worker")
        house.settings = replace(house.settings, device=("cuda:0", "cuda:1"))
        ask(house.dirs, Request("reload"))
        house.drop("a.png")
        house.wait_done(1)
        house.wait(lambda: len(house.status()["workers"]) == 2, "the old one is gone")

    assert house.play(scenario) == ExitCode.OK

    begun = [(worker.begin.device, worker.begin.precision) for worker in house.workers]
    assert begun[:2] == [("auto", "auto"), ("auto", "fp32")]
    assert sorted(begun[2:]) == [("cuda:0", "fp32"), ("cuda:1", "fp32")]


def test_status_waits_for_no_count_of_the_queue(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails just then would be told of when it is back."""
    counted: list[bool] = []
    answering: list[str] = []
    count, answer = Counts.queue, ControlApi.answer

    def noted_count(counts: Counts) -> tuple[int, bool]:
        counted.append(bool(answering))
        return count(counts)

    def noted_answer(api: ControlApi, request: Request) -> dict[str, Any]:
        answering.append(request.do)
        try:
            return answer(api, request)
        finally:
            answering.clear()

    monkeypatch.setattr(daemon, "_COUNT_EVERY_S", 0.0)
    monkeypatch.setattr(Counts, "queue", noted_count)
    monkeypatch.setattr(ControlApi, "answer", noted_answer)

    def scenario() -> None:
        house.wait(house.is_up, "it runs")
        house.status()
        house.wait(lambda: counted, "each round counts")

    assert house.play(scenario) == ExitCode.OK
    assert not any(counted)


class Manager:
    """What systemd hears: the datagrams themselves."""

    def __init__(self, ours: socket.socket) -> None:
        self._ours = ours
        self.heard: list[list[str]] = []

    def hear(self) -> list[str]:
        """The first word of each message until now."""
        with contextlib.suppress(BlockingIOError):
            while True:
                words = self._ours.recv(4096, socket.MSG_DONTWAIT).decode().splitlines()
                self.heard.append(words)
        return [words[0] for words in self.heard]


def test_systemd_hears_each_step_and_no_watchdog_while_a_worker_hangs(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    address = os.path.join(os.environ["XDG_RUNTIME_DIR"], "notify")  # noqa: PTH118 (as in $NOTIFY_SOCKET)
    house.notifier = SystemdNotifier(address, watchdog_interval_s=0.01)
    house.make_worker = Undying

    def scenario() -> None:
        house.wait(house.is_up, "it runs")
        house.wait(lambda: house.workers, "a worker")
        assert "READY=1" not in manager.hear(), "the model is not loaded"
        house.workers[0].say(Resident("m", "ESRGAN", 4, "cpu", "fp32", "exact", 0.1))
        house.wait(lambda: "READY=1" in manager.hear(), "it is ready")
        house.wait(lambda: "WATCHDOG=1" in manager.hear(), "all make progress")
        ask(house.dirs, Request("reload"))
        house.wait(lambda: manager.hear().count("READY=1") == 2, "the reload is over")

        monkeypatch.setattr(slot, "FROZEN_S", 0.3)
        monkeypatch.setattr(slot, "_DEATH_S", 0.1)
        house.wait(lambda: "cannot be killed" in caplog.text, "the worker hangs")
        before = len(manager.hear())
        for _ in range(5):
            house.status()
        assert "WATCHDOG=1" not in manager.hear()[before:]
        monkeypatch.undo()
        house.workers[0].die("killed by SIGKILL", -9)
        house.wait(lambda: "WATCHDOG=1" in manager.hear()[before:], "another one works")

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.bind(address)
        manager = Manager(ours)
        assert house.play(scenario) == ExitCode.OK
        told = manager.hear()

    assert told.index("EXTEND_TIMEOUT_USEC=120000000") < told.index("READY=1")
    (reloading,) = [words for words in manager.heard if words[0] == "RELOADING=1"]
    name, _, number = reloading[1].partition("=")
    assert name == "MONOTONIC_USEC"
    assert 0 < int(number) <= time.monotonic() * 1e6
    assert "STOPPING=1" in told[told.index("RELOADING=1") :]


# The state folder at the start


def fail_at_first(times: list[int], error: Exception, real: Callable[..., Any]) -> Any:
    def fails(*words: Any, **named: Any) -> Any:
        if times[0]:
            times[0] -= 1
            raise error
        return real(*words, **named)

    return fails


def test_a_database_that_cannot_be_opened_yet_is_waited_for_and_status_says_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, times = Store.open, [1_000]
    trouble = StoreUnavailable("the disk is full", hint="make room")
    monkeypatch.setattr(Store, "open", fail_at_first(times, trouble, real))

    def scenario() -> None:
        house.wait(house.problems, "it says why it waits")
        assert house.problems() == ["everything waits: the disk is full"]
        with pytest.raises(ControlError, match="the disk is full"):
            ask(house.dirs, Request("scan"))
        waits = "STATUS=waits: the disk is full"
        house.wait(lambda: waits in house.told, "systemd knows")
        waited_s = house.status()["uptime_s"]
        house.drop("a.png")
        times[0] = 0
        house.wait_done(1)
        assert house.problems() == []
        assert house.status()["uptime_s"] > waited_s > 0, "it was started before it waited"

    assert house.play(scenario) == ExitCode.OK

    assert {"EXTEND_TIMEOUT_USEC=60000000", "WATCHDOG=1"} <= set(house.told)


def test_a_state_folder_without_room_for_a_lock_is_waited_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = [1]
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(lock.os, "open", fail_at_first(times, full, os.open))
    house.drop("a.png")

    assert house.play(lambda: house.wait_done(1)) == ExitCode.OK

    assert times == [0]


def test_told_to_stop_while_it_waits_it_ends_well(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "open", fail_at_first([1_000], StoreUnavailable("full"), Store.open))

    assert house.play(lambda: house.wait(house.problems, "it waits")) == ExitCode.OK


def test_a_single_pass_does_not_wait(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "open", fail_at_first([1_000], StoreUnavailable("full"), Store.open))

    with pytest.raises(StoreUnavailable, match="full"):
        house.play(lambda: None, once=True)


def test_a_disk_that_fills_up_before_the_orphans_are_settled_is_waited_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    times, trouble = [1_000], StoreUnavailable("the disk is full")
    failing = fail_at_first(times, trouble, Session.rows)

    def rows(session: Session, sql: str, values: Any = ()) -> Any:
        is_of_orphans = "owner <> ?" in sql
        return (failing if is_of_orphans else real)(session, sql, values)

    real = Session.rows
    monkeypatch.setattr(Session, "rows", rows)

    def scenario() -> None:
        house.wait(house.problems, "it says why it waits")
        times[0] = 0
        house.wait(lambda: not house.problems(), "it goes on")

    assert house.play(scenario) == ExitCode.OK


# The end


def test_a_worker_that_no_signal_ends_does_not_hold_up_the_stop(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.make_worker = Undying
    house.drop("a.png")
    asked: list[float] = []

    def scenario() -> None:
        house.wait(house.is_up, "it runs")
        house.wait(lambda: house.status()["flights"], "it has a job")
        asked.append(time.monotonic())

    with caplog.at_level(logging.ERROR):
        assert house.play(scenario) == ExitCode.OK

    assert time.monotonic() - asked[0] < 7
    assert "hangs in the kernel" in caplog.text
    with contextlib.closing(Store.open(house.dirs.store)) as store:
        assert len(store.orphans("the next start")) == 1


# Threads that die


def die_in(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, when: threading.Event) -> None:
    """The function raises once `when` is set."""
    real = getattr(where, name)

    def dies(*words: Any, **named: Any) -> Any:
        if when.is_set():
            raise RuntimeError("a bug")
        return real(*words, **named)

    async def dies_later(server: control.Server) -> None:
        listening = asyncio.ensure_future(real(server))
        while not when.is_set():  # noqa: ASYNC110 (it is set by another thread)
            await asyncio.sleep(0.01)
        listening.cancel()
        server._listener.close()
        raise RuntimeError("a bug")

    is_async = inspect.iscoroutinefunction(real)
    monkeypatch.setattr(where, name, dies_later if is_async else dies)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("where", "name", "words"),
    [
        (
            control.Server,
            "_listen_until_stopped",
            "^the thread control died: RuntimeError: a bug$",
        ),
        (cleanup_lanes, "attempt", "^the thread sources:/.* died: RuntimeError: a bug$"),
        (
            watch_inbox.Inbox,
            "_round",
            r"^.* is no longer watched: the watching thread ended \(RuntimeError: a bug\)$",
        ),
    ],
    ids=["control", "sources", "inbox"],
)
def test_a_thread_that_dies_ends_the_daemon(
    house: House, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, words: str
) -> None:
    when = threading.Event()
    die_in(monkeypatch, where, name, when)
    over = threading.Event()

    def scenario() -> None:
        house.wait(house.is_up, "it runs")
        when.set()
        house.drop("a.png")
        assert over.wait(LIMIT_S)

    try:
        with pytest.raises(UpscaledError, match=words):
            play_until(house, scenario, over)
    finally:
        over.set()


def play_until(house: House, scenario: Callable[[], object], over: threading.Event) -> None:
    real = Daemon._shut

    def shut(daemon: Daemon) -> None:
        over.set()
        real(daemon)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Daemon, "_shut", shut)
        house.play(scenario)
