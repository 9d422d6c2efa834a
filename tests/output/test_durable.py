"""Bytes that outlive a power cut: every call of the system that can fail is made to."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upscaled.output import durable

UNSUPPORTED = [errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP]


def fail(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    def call(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, name, call)


def no_renameat2(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """What a file system without the flag answers."""

    class Libc:
        def renameat2(self, *_: Any) -> int:
            return -1

    monkeypatch.setattr(durable, "_libc", Libc())
    monkeypatch.setattr(durable.ctypes, "get_errno", lambda: number)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / ".mark.upscaled.part"
    durable.write(path, [b"new"])
    return path


# write


@pytest.mark.parametrize(
    "chunks", [[], [b""], [b"abc"], [b"ab", bytearray(b"c"), memoryview(b"d")], [b"x" * 5_000_000]]
)
def test_all_bytes_are_written(tmp_path: Path, chunks: list[bytes]) -> None:
    durable.write(tmp_path / "x", chunks)
    assert (tmp_path / "x").read_bytes() == b"".join(map(bytes, chunks))


def test_a_disk_that_takes_little_at_a_time_gets_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, view: real(fd, view[:7]))
    durable.write(tmp_path / "x", [bytes(range(256)), b"tail"])
    assert (tmp_path / "x").read_bytes() == bytes(range(256)) + b"tail"


@pytest.mark.parametrize(
    ("call", "number"), [("write", errno.ENOSPC), ("fsync", errno.EIO), ("fsync", errno.EDQUOT)]
)
def test_where_a_call_fails_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    fail(monkeypatch, call, number)
    with pytest.raises(OSError, match=os.strerror(number)):
        durable.write(tmp_path / "x", [b"abc"])
    monkeypatch.undo()
    assert not (tmp_path / "x").exists()


def test_a_failed_fsync_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def fsync(fd: int) -> None:
        calls.append(fd)
        raise OSError(errno.EIO, "failing disk")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="failing disk"):
        durable.write(tmp_path / "x", [b"abc"])
    assert len(calls) == 1


def test_chunks_that_end_in_an_error_leave_nothing_behind(tmp_path: Path) -> None:
    def chunks() -> Any:
        yield b"abc"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        durable.write(tmp_path / "x", chunks())
    assert list(tmp_path.glob("x*")) == []


def test_what_stands_there_is_never_written_over_or_through(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "link"):
        with pytest.raises(FileExistsError):
            durable.write(tmp_path / name, [b"abc"])
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


# place


def by_renameat2(_monkeypatch: pytest.MonkeyPatch) -> None:
    pass


def by_link(monkeypatch: pytest.MonkeyPatch) -> None:
    no_renameat2(monkeypatch, errno.EINVAL)


def by_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    no_renameat2(monkeypatch, errno.EINVAL)
    fail(monkeypatch, "link", errno.EPERM)


WAYS = [by_renameat2, by_link, by_claim]
Way = Callable[[pytest.MonkeyPatch], None]


@pytest.mark.parametrize("way", WAYS)
def test_a_file_gets_its_name(
    way: Way, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    way(monkeypatch)
    target = tmp_path / "caf\udce9 日本.png"
    durable.place(written, target, replace=False)
    assert target.read_bytes() == b"new"
    assert not written.exists()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("there", ["file", "folder", "dangling link"])
def test_what_has_the_name_keeps_it(
    way: Way, there: str, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.png"
    if there == "file":
        target.write_bytes(b"old")
    elif there == "folder":
        target.mkdir()
    else:
        target.symlink_to("nowhere")
    before = target.lstat()
    way(monkeypatch)
    with pytest.raises(FileExistsError):
        durable.place(written, target, replace=False)
    assert target.lstat() == before
    assert written.read_bytes() == b"new"


@pytest.mark.parametrize("number", UNSUPPORTED)
def test_each_answer_that_means_unsupported_leads_to_the_next_way(
    number: int, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_renameat2(monkeypatch, number)
    fail(monkeypatch, "link", number)
    durable.place(written, tmp_path / "a.png", replace=False)
    assert (tmp_path / "a.png").read_bytes() == b"new"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EXDEV, errno.EROFS, errno.EACCES])
def test_any_other_answer_is_raised(
    number: int, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_renameat2(monkeypatch, number)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        durable.place(written, tmp_path / "a.png", replace=False)
    assert caught.value.filename == str(written)
    assert not (tmp_path / "a.png").exists()
    no_renameat2(monkeypatch, errno.EINVAL)
    fail(monkeypatch, "link", number)
    with pytest.raises(OSError, match=os.strerror(number)):
        durable.place(written, tmp_path / "a.png", replace=False)
    assert not (tmp_path / "a.png").exists()


def test_a_claim_that_cannot_be_filled_is_taken_back(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_claim(monkeypatch)
    fail(monkeypatch, "rename", errno.EIO)
    fail(monkeypatch, "replace", errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        durable.place(written, tmp_path / "a.png", replace=False)
    assert not (tmp_path / "a.png").exists()
    assert written.exists()


def test_replacing_takes_the_place_of_what_is_there(written: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"old")
    durable.place(written, tmp_path / "a.png", replace=True)
    assert (tmp_path / "a.png").read_bytes() == b"new"
    assert not written.exists()


# folders


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_file_system_without_fsync_for_folders_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fail(monkeypatch, "fsync", number)
    durable.sync_folder(tmp_path)
    fail(monkeypatch, "fsync", errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        durable.sync_folder(tmp_path)


def test_each_missing_folder_is_made_and_its_name_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(durable, "sync_folder", synced.append)
    durable.make_folder(tmp_path / "a" / "b" / "c")
    durable.make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]


def test_a_file_in_the_way_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(OSError, match="a"):
        durable.make_folder(tmp_path / "a" / "b")


def test_opening_to_read_never_waits_for_a_pipe_nor_follows_a_link(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with durable.opened(tmp_path / "pipe") as fd:
        assert not os.get_blocking(fd)
    (tmp_path / "link").symlink_to("pipe")
    with pytest.raises(OSError, match="symbolic"), durable.opened(tmp_path / "link"):
        pass


# A disk that is really full

FULL = """
import errno, sys
from pathlib import Path
from upscaled.output import durable
from upscaled.output.publish import publish
folder = Path(sys.argv[1])
try:
    publish(b"x" * 300_000, folder, iter(["a.png"]), mark="m-1", collision="number",
            announce=lambda path, digest: sys.exit("announced"))
except OSError as error:
    assert error.errno == errno.ENOSPC, error
else:
    sys.exit("written to a full disk")
assert list(folder.iterdir()) == [], list(folder.iterdir())
small = publish(b"x" * 3_000, folder, iter(["a.png"]), mark="m-1", collision="number",
                announce=lambda path, digest: None)
assert small.path.read_bytes() == b"x" * 3_000
"""


def test_on_a_full_disk_nothing_is_left_behind(tmp_path: Path) -> None:
    namespace = ["unshare", "-Urm"]
    if (
        not shutil.which("unshare")
        or subprocess.run(
            [*namespace, "true"], capture_output=True, timeout=30, check=False
        ).returncode
    ):
        pytest.skip("no user namespaces here: a small file system cannot be mounted")
    script = 'mount -t tmpfs -o size=128k tiny "$1" && exec "$2" -c "$3" "$1"'
    command = [*namespace, "sh", "-c", script, "sh", str(tmp_path), sys.executable, FULL]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
