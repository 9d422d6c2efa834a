"""Disks that do not answer, and those that do."""

import errno
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from upscaled.filesystem import unresponsive
from upscaled.filesystem.mounts import Mount

LIMIT_S = 0.2


@pytest.fixture
def answering() -> Iterator[threading.Event]:
    """Until it is set, what a test calls hangs."""
    event = threading.Event()
    yield event
    event.set()


def test_what_answers_gives_what_it_gave() -> None:
    assert unresponsive.call_with_timeout(10.0, lambda: 7) == 7


def test_what_it_raises_is_raised() -> None:
    with pytest.raises(PermissionError, match="closed"):
        unresponsive.call_with_timeout(10.0, fail)


def fail() -> None:
    raise PermissionError("closed")


def test_what_does_not_answer_is_left_behind(answering: threading.Event) -> None:
    with pytest.raises(TimeoutError) as caught:
        unresponsive.call_with_timeout(LIMIT_S, answering.wait)
    assert caught.value.errno == errno.ETIMEDOUT


def test_folders_that_answer_are_looked_at_by_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    real = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda t: (started.append(t), real(t))[1])
    (tmp_path / "file").write_bytes(b"")
    folders = [tmp_path, tmp_path / "none", tmp_path / "file" / "below", tmp_path]

    assert unresponsive.find_unresponsive(folders, 10.0) == frozenset()
    assert len(started) == 1


def test_a_folder_whose_disk_is_dead_is_named_with_all_on_that_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answering: threading.Event
) -> None:
    real = Path.stat

    def stat(path: Path, **how: bool) -> object:
        if path.is_relative_to(tmp_path / "dead"):
            answering.wait(30.0)
        return real(path, **how)

    monkeypatch.setattr(Path, "stat", stat)
    mounts = (
        unresponsive.mount_of(b"/", unresponsive.read_mounts()),
        Mount(bytes(tmp_path / "dead"), "nfs"),
    )
    monkeypatch.setattr(unresponsive, "read_mounts", lambda: mounts)
    dead = [tmp_path / "dead" / "a", tmp_path / "dead" / "b"]

    assert unresponsive.find_unresponsive([tmp_path, *dead, tmp_path / "other"], LIMIT_S) == set(
        dead
    )


def test_a_thread_that_sleeps_is_not_held_in_the_kernel(answering: threading.Event) -> None:
    thread = threading.Thread(target=answering.wait)
    assert not unresponsive.is_uninterruptible(thread)
    thread.start()
    assert not unresponsive.is_uninterruptible(thread)
    answering.set()
    thread.join()
