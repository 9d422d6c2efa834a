"""One daemon for each state directory; the kernel lets go of the lock at death."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from upscaled.control.holder import Holder, holder_of
from upscaled.errors import DaemonAlreadyRunning, StoreError, StoreUnavailable
from upscaled.service import lock

SOCKET = Path("/run/caf\udce9 user/control.sock")
HOLD = """
import signal, sys
from pathlib import Path
from upscaled.service import lock
with lock.hold(Path(sys.argv[1]), Path("/run/s")):
    print(lock.owner_id(), flush=True)
    signal.pause()
"""


def test_a_second_daemon_is_told_who_is_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state" / "lock"
    with lock.hold(path, SOCKET):
        assert holder_of(path) == Holder(os.getpid(), SOCKET)
        with pytest.raises(DaemonAlreadyRunning) as caught, lock.hold(path, SOCKET):
            pass
        assert f"pid {os.getpid()}" in caught.value.message
        assert "upscaled down" in caught.value.hint
    with lock.hold(path, SOCKET):
        pass


def test_an_error_inside_lets_go_and_comes_out_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="full"), lock.hold(tmp_path / "lock", SOCKET):
        raise OSError(28, "full")
    with lock.hold(tmp_path / "lock", SOCKET):
        pass


def test_death_by_kill_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        other_id = other.stdout.readline().strip()
        with pytest.raises(DaemonAlreadyRunning, match=f"pid {other.pid}"), lock.hold(path, SOCKET):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait(10)
    with lock.hold(path, SOCKET):
        assert holder_of(path) == Holder(os.getpid(), SOCKET)
    assert other_id != lock.owner_id()


def test_children_do_not_inherit_it(tmp_path: Path) -> None:
    with lock.hold(tmp_path / "lock", SOCKET):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with lock.hold(tmp_path / "lock", SOCKET):
            pass
    finally:
        child.kill()
        child.wait()


def test_a_state_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as caught, lock.hold(tmp_path / "file" / "lock", SOCKET):
        pass
    assert "XDG_STATE_HOME" in caught.value.hint


def test_a_full_disk_is_waited_for_and_a_lock_file_that_is_there_needs_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with lock.hold(tmp_path / "lock", SOCKET):
        pass
    monkeypatch.setattr(os, "open", full)
    with pytest.raises(StoreUnavailable, match="No space"), lock.hold(tmp_path / "lock", SOCKET):
        pass


def test_the_owner_is_this_process_of_this_boot() -> None:
    boot, pid, started = lock.owner_id().split(":")
    assert (len(boot), int(pid)) == (36, os.getpid())
    assert int(started) > 0
    assert lock.owner_id() == lock.owner_id()
