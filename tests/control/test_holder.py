"""The daemon is found by its lock where its socket is not: another folder, or none any more."""

import os
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from conftest import Eventually
from upscaled.control import server as module
from upscaled.control.client import ask
from upscaled.control.holder import Holder, holder_of
from upscaled.control.protocol import Request
from upscaled.control.server import Server
from upscaled.dirs import Dirs
from upscaled.errors import DaemonNotRunning, DaemonUnreachable
from upscaled.service import lock


def answer(_: Request, reply: Future[dict[str, Any]]) -> None:
    reply.set_result({"pid": os.getpid()})


@pytest.fixture
def dirs(tmp_path: Path) -> Dirs:
    return Dirs(*(tmp_path / name for name in Dirs._fields))


@pytest.fixture
def daemon(dirs: Dirs, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, "_LOOK_S", 0.05)
    server = Server(dirs.socket, answer)
    with lock.hold(dirs.lock, dirs.socket):
        server.start()
        yield server
        server.stop()


@pytest.mark.usefixtures("daemon")
def test_who_has_another_runtime_folder_asks_the_same_daemon(dirs: Dirs, tmp_path: Path) -> None:
    cron = dirs._replace(runtime=tmp_path / "state" / "run")
    assert ask(cron, Request("status")) == {"pid": os.getpid()}


@pytest.mark.usefixtures("daemon")
def test_a_socket_that_was_removed_is_made_anew(dirs: Dirs, eventually: Eventually) -> None:
    for _ in range(2):
        dirs.socket.unlink()
        dirs.runtime.rmdir()
        eventually(dirs.socket.exists)
        assert ask(dirs, Request("status")) == {"pid": os.getpid()}
    assert dirs.runtime.stat().st_mode & 0o777 == 0o700


def test_a_daemon_that_cannot_be_reached_is_not_said_to_be_down(dirs: Dirs) -> None:
    with lock.hold(dirs.lock, dirs.socket), pytest.raises(DaemonUnreachable) as caught:
        ask(dirs, Request("status"))
    assert caught.value.pid == os.getpid()
    assert "upscaled down" in (caught.value.hint or "")

    with pytest.raises(DaemonNotRunning):
        ask(dirs, Request("status"))


def test_a_lock_that_says_nothing_has_a_holder_all_the_same(dirs: Dirs) -> None:
    with lock.hold(dirs.lock, dirs.socket):
        dirs.lock.write_bytes(b"")
        assert holder_of(dirs.lock) == Holder(None, None)
    assert holder_of(dirs.lock) is None
