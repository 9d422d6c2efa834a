"""When systemd hears READY, WATCHDOG, STATUS and pleas for time."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from support.fakes import FakeClock, FakeExecutor, ListNotifier
from upscaled.config.settings import RuleSettings, Settings
from upscaled.delivery import Delivery
from upscaled.recipe import Recipe
from upscaled.service.status.readiness import BEAT_LIMIT_S, NEWS_LIMIT_S, Readiness
from upscaled.service.status.snapshot import Snapshot, WorkerView
from upscaled.service.workers.slot import FROZEN_S, WorkerSlot
from upscaled.watch.spec import InboxView
from upscaled.worker.messages import Beat, Begin, Resident, Unusable

RESIDENT = Resident("m", "rrdbnet", 4, "cpu", "bf16", "exact", 1.0)


class Immortal(FakeExecutor):
    """A worker that hangs in the kernel: no signal ends it."""

    def kill(self) -> None:
        pass


@dataclass
class Told:
    """A `Readiness` and all around it, at a time that a test moves."""

    clock: FakeClock = field(default_factory=FakeClock)
    notifier: ListNotifier = field(default_factory=lambda: ListNotifier(watchdog_interval_s=30.0))
    waiting: int = 0

    def __post_init__(self) -> None:
        self.view = InboxView(
            root=Path("/inbox"),
            watched_by="inotify",
            reason=None,
            files=0,
            settling=0,
            last_scan_s=None,
            alive=True,
            beat_monotonic=self.clock.monotonic(),
            first_scan_done=False,
        )
        self.slot = WorkerSlot("cpu", self._start, self.clock, None)
        self.readiness = Readiness(self.notifier, self.clock)

    def _start(self, device: str) -> FakeExecutor:
        begin = Begin(device, "auto", None, "/models", "mark", {}, {})
        return Immortal(begin, lambda _message: None, willing=False)

    def snapshot(self, *, needs_model: bool) -> Snapshot:
        rule = RuleSettings("photos", (Path("/inbox"),), Recipe("m"), Delivery(Path("/outbox")))
        return Snapshot(
            store=Path("/store"),
            settings=Settings((rule,) if needs_model else ()),
            now=self.clock.now(),
            monotonic=self.clock.monotonic(),
            started_at=0.0,
            inboxes=(self.view,),
            workers=(WorkerView("cpu", is_stuck=self.slot.is_stuck, report=self.slot.report),),
            waiting=self.waiting,
        )

    def tell(self, *, needs_model: bool = True) -> list[str]:
        """The first word of each message that this round sends."""
        before = len(self.notifier.sent)
        self.readiness.tell(self.snapshot(needs_model=needs_model))
        return [words[0].partition("=")[0] for words in self.notifier.sent[before:]]

    def prepare(self) -> None:
        self.view = replace(self.view, first_scan_done=True)
        self.slot.on_message(RESIDENT)

    def pass_time(self, seconds: float) -> None:
        """In which the inbox goes on."""
        self.clock.advance(seconds)
        self.view = replace(self.view, beat_monotonic=self.clock.monotonic())


@pytest.fixture
def told() -> Told:
    return Told()


def test_ready_comes_once_after_the_first_scan_and_the_model(told: Told) -> None:
    assert "READY" not in told.tell()
    told.slot.on_message(RESIDENT)
    assert "READY" not in told.tell()
    told.prepare()
    assert told.tell().count("READY") == 1
    assert "READY" not in told.tell()


@pytest.mark.parametrize("known", [RESIDENT, Unusable("m", "damaged")])
def test_a_model_that_cannot_be_used_is_a_checked_model(
    told: Told, known: Resident | Unusable
) -> None:
    told.view = replace(told.view, first_scan_done=True)
    told.slot.on_message(known)
    assert "READY" in told.tell()


def test_an_inbox_that_is_missing_does_not_end_in_a_failed_start(told: Told) -> None:
    told.view = replace(told.view, watched_by="missing")
    assert "READY" in told.tell(needs_model=False)


def test_time_is_asked_for_while_a_start_gets_on_and_not_when_it_hangs(told: Told) -> None:
    assert "EXTEND_TIMEOUT_USEC" in told.tell()
    told.pass_time(10)
    assert "EXTEND_TIMEOUT_USEC" in told.tell()
    for number in range(40):
        told.pass_time(NEWS_LIMIT_S / 2)
        told.view = replace(told.view, files=number)
        told.tell()
    told.pass_time(10)
    assert "EXTEND_TIMEOUT_USEC" in told.tell(), "an hour in, and still getting on"
    told.pass_time(NEWS_LIMIT_S)
    assert "EXTEND_TIMEOUT_USEC" not in told.tell()


def test_the_status_is_sent_when_it_changes_and_not_more_often_than_one_can_read(
    told: Told,
) -> None:
    told.prepare()
    told.tell()
    told.waiting = 2
    assert "STATUS" not in told.tell()
    told.pass_time(2)
    assert told.tell() == ["STATUS"]
    told.pass_time(2)
    assert told.tell() == []


def test_the_watchdog_is_fed_at_its_interval(told: Told) -> None:
    assert "WATCHDOG" in told.tell()
    told.pass_time(29)
    assert "WATCHDOG" not in told.tell()
    told.pass_time(1)
    assert "WATCHDOG" in told.tell()


def test_nothing_feeds_the_watchdog_where_nobody_asked_for_it(told: Told) -> None:
    told.notifier.watchdog_interval_s = None
    assert "WATCHDOG" not in told.tell()


def test_a_watcher_that_hangs_or_ended_starves_the_watchdog(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    told.tell()
    told.clock.advance(BEAT_LIMIT_S)
    assert "WATCHDOG" not in told.tell()
    assert "/inbox hangs" in caplog.text
    told.pass_time(1)
    assert "WATCHDOG" in told.tell(), "it goes on"
    told.view = replace(told.view, alive=False)
    told.pass_time(30)
    assert "WATCHDOG" not in told.tell()


def test_a_watcher_whose_disk_does_not_answer_stops_nobody_else(told: Told) -> None:
    told.view = replace(told.view, is_held=True)
    told.tell()
    told.clock.advance(2 * BEAT_LIMIT_S)
    assert "WATCHDOG" in told.tell(), "a new start would hang as well"
    told.slot.on_message(RESIDENT)
    assert "READY" in told.tell(), "the others begin"


def test_a_frozen_worker_is_killed_and_starves_the_watchdog_if_that_does_not_help(
    told: Told,
) -> None:
    told.slot.step(work_waits=lambda: False)
    told.slot.on_message(Beat(1))
    told.pass_time(FROZEN_S + 1)
    told.slot.step(work_waits=lambda: False)
    assert "WATCHDOG" in told.tell(), "it was killed just now"
    told.pass_time(31)
    assert "WATCHDOG" not in told.tell()
    told.slot.on_exit("killed by SIGKILL")
    assert "WATCHDOG" in told.tell()


def test_a_daemon_that_is_stopping_is_not_ready_any_more_and_lives(told: Told) -> None:
    told.readiness.stopping()
    assert [words[0] for words in told.notifier.sent[-2:]] == [
        "STOPPING=1",
        "EXTEND_TIMEOUT_USEC=30000000",
    ]
    told.prepare()
    assert told.tell() == ["WATCHDOG"]
