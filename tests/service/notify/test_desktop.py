"""One notification for a batch, and none that anybody has to wait for."""

import os
from pathlib import Path

import pytest

from support.builders import done, order
from support.fakes import FakeClock
from upscaled.outcomes import Failed
from upscaled.service.notify.desktop import Announcement, Announcements, announce, find_notifier

ORDER = order(Path("/inbox/a.png"), Path("/outbox"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def batch(clock: FakeClock) -> Announcements:
    return Announcements(clock)


def test_a_burst_is_told_once_when_it_is_over(batch: Announcements, clock: FakeClock) -> None:
    for number in range(12):
        batch.add(ORDER, done(f"{number}_4x.png"))
        clock.advance(1)
        assert batch.take("all", is_idle=False) is None
    clock.advance(1)
    assert batch.take("all", is_idle=True) is None, "more may be on its way"
    clock.advance(2)
    said = batch.take("all", is_idle=True)
    assert said is not None
    assert said.title == "12 images upscaled"
    clock.advance(100)
    assert batch.take("all", is_idle=True) is None


def test_a_batch_without_an_end_is_told_of_now_and_then(
    batch: Announcements, clock: FakeClock
) -> None:
    told = 0
    for _ in range(1000):
        batch.add(ORDER, done())
        clock.advance(3)
        told += batch.take("all", is_idle=False) is not None
    assert told == 3


def test_failures_are_named_with_what_to_type(batch: Announcements, clock: FakeClock) -> None:
    batch.add(ORDER, done())
    batch.add(order(Path("/inbox/b\n.png"), Path("/outbox")), Failed("no image"))
    clock.advance(5)
    assert batch.take("failures", is_idle=True) == Announcement(
        "1 image could not be upscaled", "b\\n.png; 1 image done: upscaled status", is_failure=True
    )


@pytest.mark.parametrize("wanted", ["failures", "none"])
def test_what_is_not_wanted_is_not_said_later_either(
    batch: Announcements, clock: FakeClock, wanted: str
) -> None:
    batch.add(ORDER, done())
    clock.advance(5)
    assert batch.take(wanted, is_idle=True) is None
    assert batch.take("all", is_idle=True) is None


def make_program(folder: Path, script: str) -> Path:
    program = folder / "notify-send"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def test_notify_send_gets_the_words(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    program = make_program(tmp_path, f'printf "%s\\n" "$@" > "{heard}"')
    announce(str(program), Announcement("-t", "--body"))
    assert heard.read_text().splitlines()[-3:] == ["--", "-t", "--body"]


@pytest.mark.parametrize("script", ["exit 1", "kill -9 $$"])
def test_a_desktop_that_does_not_answer_is_no_trouble(tmp_path: Path, script: str) -> None:
    announce(str(make_program(tmp_path, script)), Announcement("a", "b"))
    announce(str(tmp_path / "gone"), Announcement("a", "b"))


def test_without_a_bus_or_the_program_nobody_is_told(tmp_path: Path) -> None:
    make_program(tmp_path, "")
    path = {"PATH": str(tmp_path)}
    bus = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/x"}
    assert find_notifier(path) is None
    assert find_notifier({**bus, "PATH": "/nowhere"}) is None
    assert find_notifier({**bus, **path}) == str(tmp_path / "notify-send")
    (tmp_path / "bus").touch()
    assert find_notifier({"XDG_RUNTIME_DIR": str(tmp_path), **path}) is not None
    assert find_notifier({**os.environ, "PATH": "/nowhere"}) is None
