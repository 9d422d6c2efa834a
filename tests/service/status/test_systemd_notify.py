"""What is said to systemd, and that nobody listening is no trouble."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fakes import FakeClock, ListNotifier
from upscaled.service.status.systemd_notify import (
    NoNotifier,
    Notifier,
    SystemdNotifier,
    find_notifier,
)


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """An address as NOTIFY_SOCKET has it, and the socket behind it."""
    address = f"{os.environ['XDG_RUNTIME_DIR']}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        if request.param == "abstract":
            ours.bind(f"\0upscaled-{tmp_path}")
            address = f"@upscaled-{tmp_path}"
        else:
            ours.bind(address)
        ours.settimeout(5)
        yield address, ours


def say_everything(notifier: Notifier) -> list[list[str]]:
    """The contract: each call is one message, in these words."""
    notifier.ready("Watching 2 inboxes")
    notifier.status("1 running\n2 waiting: caf\udce9.png")
    notifier.watchdog()
    notifier.reloading(FakeClock(monotonic_s=12.5))
    notifier.extend_timeout(30)
    notifier.stopping("Finishing one image")
    return [
        ["READY=1", "STATUS=Watching 2 inboxes"],
        ["STATUS=1 running\\n2 waiting: caf\\xe9.png"],
        ["WATCHDOG=1"],
        ["RELOADING=1", "MONOTONIC_USEC=12500000"],
        ["EXTEND_TIMEOUT_USEC=30000000"],
        ["STOPPING=1", "STATUS=Finishing one image"],
    ]


def test_the_twin_hears_what_is_said() -> None:
    twin = ListNotifier()
    assert say_everything(twin) == twin.sent


def test_systemd_hears_what_is_said(listener: tuple[str, socket.socket]) -> None:
    address, ours = listener
    expected = say_everything(find_notifier({"NOTIFY_SOCKET": address}))
    assert [ours.recv(4096).decode().split("\n") for _ in expected] == expected


def test_without_a_socket_nothing_is_said() -> None:
    for environ in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}):
        notifier = find_notifier(environ)
        assert isinstance(notifier, NoNotifier)
        assert notifier.watchdog_interval_s is None
        say_everything(notifier)


def test_a_socket_that_is_gone_is_no_trouble(tmp_path: Path) -> None:
    say_everything(SystemdNotifier(str(tmp_path / "gone")))
    say_everything(SystemdNotifier("/" + "long" * 50))


def test_a_manager_that_does_not_read_cannot_block_the_daemon() -> None:
    address = f"{os.environ['XDG_RUNTIME_DIR']}/full"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(address)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
            filler.connect(address)
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while filler.send(b"x"):
                    pass
        began = time.monotonic()
        SystemdNotifier(address).status("are you there?")
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("pid", "watchdog_us", "interval_s"),
    [
        ("", "60000000", 30.0),
        pytest.param(str(os.getpid()), "3000000", 1.5, id="our own"),
        ("1", "60000000", None),
        ("", "0", None),
        ("", "soon", None),
        ("", "", None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_asked(
    pid: str, watchdog_us: str, interval_s: float | None
) -> None:
    environ = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": watchdog_us, "WATCHDOG_PID": pid}
    assert find_notifier(environ).watchdog_interval_s == interval_s


def test_children_do_not_inherit_the_right_to_speak() -> None:
    environ = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"}
    find_notifier(environ)
    assert environ == {"PATH": "/bin"}
