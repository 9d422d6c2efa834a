"""The kernel is asked who has a file open; whoever opens one meanwhile is not harmed."""

import errno
import fcntl
import os
import signal
import threading
from pathlib import Path

import pytest

from upscaled.filesystem import open_writers
from upscaled.filesystem.mounts import Mount
from upscaled.filesystem.open_writers import is_open_for_writing


def test_a_file_has_a_writer_until_the_last_of_them_closes_it(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    with path.open("wb") as one, path.open("ab"):
        assert is_open_for_writing(path)
        one.close()
        assert is_open_for_writing(path)
    assert is_open_for_writing(path) is False
    with path.open("rb"):
        assert is_open_for_writing(os.fsencode(path)) is False


def test_what_cannot_be_told_is_not_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    assert is_open_for_writing(path) is None
    path.touch()
    (tmp_path / "link").symlink_to(path)
    assert is_open_for_writing(tmp_path / "link") is None

    # An NFS server that grants no delegation answers as a writer would make it.
    monkeypatch.setattr(open_writers, "mount_of_open", lambda *_: Mount(b"/nas", "nfs4"))
    with path.open("wb"):
        assert is_open_for_writing(path) is None


def test_a_file_of_another_user_cannot_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(_fd: int, _command: int, _argument: int) -> int:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    path = tmp_path / "a.png"
    path.touch()
    monkeypatch.setattr(fcntl, "fcntl", refuses)
    assert is_open_for_writing(path) is None


def test_somebody_who_has_a_lease_of_its_own_is_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.touch()
    with path.open("rb+") as other:
        fcntl.fcntl(other, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(other, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        assert is_open_for_writing(path)


def test_a_writer_that_comes_at_the_very_moment_neither_fails_nor_ends_this_process(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.png"
    path.touch()
    is_over = threading.Event()

    def write() -> None:
        while not is_over.is_set():
            with path.open("ab") as stream:
                stream.write(b"x")

    writer = threading.Thread(target=write)
    writer.start()
    answers = {is_open_for_writing(path) for _ in range(2000)}
    is_over.set()
    writer.join()
    assert answers <= {True, False}
    assert path.stat().st_size > 0
