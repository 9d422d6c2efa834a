"""The adapter of watchdog: what is private or subtle in 7.x is pinned here."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Eventually
from upscaled.watch import fs
from upscaled.watch.fs import Watches


class Heard:
    def __init__(self) -> None:
        self.hints: list[tuple[int, int, bytes]] = []
        self.watches = Watches("inotify:test", self._hear)

    def _hear(self, _watches: Watches, watch: int, mask: int, name: bytes) -> None:
        self.hints.append((watch, mask, name))

    def watch(self, folder: bytes, path: Path) -> OSError | None:
        return self.watches.watch(folder, os.fsencode(path), follow_symlinks=False)

    def of(self, name: bytes, mask: int) -> list[tuple[bytes, ...]]:
        """For each such event, the folders it is about."""
        return [
            self.watches.folders(watch)
            for watch, heard, of in self.hints
            if of == name and heard & mask
        ]


@pytest.fixture
def heard() -> Iterator[Heard]:
    heard = Heard()
    yield heard
    heard.watches.close()


def test_births_closes_and_renames_are_heard_and_writes_are_not(
    heard: Heard, root: Path, eventually: Eventually
) -> None:
    assert heard.watch(b"", root) is None
    with (root / "a").open("wb", buffering=0) as writer:
        for _ in range(100):
            writer.write(b"x")
    (root / "a").rename(root / "b")
    (root / "b").unlink()
    eventually(lambda: heard.of(b"b", fs.LEFT))
    assert heard.of(b"a", fs.CREATED) == [(b"",)]
    assert heard.of(b"a", fs.CLOSED) == [(b"",)]
    assert heard.of(b"b", fs.MOVED_IN) == [(b"",)]
    assert len(heard.hints) == 5


def test_asking_again_for_a_watch_mends_one_whose_end_was_never_heard(
    heard: Heard, root: Path, eventually: Eventually
) -> None:
    (root / "sub").mkdir()
    heard.watch(b"sub", root / "sub")
    (root / "sub").rmdir()
    (root / "sub").mkdir()
    assert heard.watch(b"sub", root / "sub") is None
    (root / "sub" / "a").touch()
    eventually(lambda: heard.of(b"a", fs.CLOSED) == [(b"sub",)])
    assert len(heard.watches) == 1


def test_asking_again_for_a_living_watch_changes_nothing(
    heard: Heard, root: Path, eventually: Eventually
) -> None:
    for _ in range(3):
        assert heard.watch(b"", root) is None
    (root / "a").touch()
    eventually(lambda: heard.of(b"a", fs.CLOSED))
    assert heard.of(b"a", fs.CREATED) == [(b"",)]


def test_a_folder_that_is_not_watched_any_more_is_not_heard(
    heard: Heard, root: Path, eventually: Eventually
) -> None:
    (root / "sub").mkdir()
    heard.watch(b"", root)
    heard.watch(b"sub", root / "sub")
    heard.watches.unwatch(b"sub")
    heard.watches.unwatch(b"never watched")
    (root / "sub" / "a").touch()
    (root / "b").touch()
    eventually(lambda: heard.of(b"b", fs.CLOSED))
    assert heard.of(b"a", fs.CREATED) == []


def test_a_folder_that_is_not_there_gives_its_error(heard: Heard, root: Path) -> None:
    refusal = heard.watch(b"gone", root / "gone")
    assert isinstance(refusal, FileNotFoundError)
    assert len(heard.watches) == 0


def test_neither_a_file_nor_a_link_to_a_folder_is_watched(heard: Heard, root: Path) -> None:
    (root / "file").touch()
    (root / "link").symlink_to(root)
    assert isinstance(heard.watch(b"file", root / "file"), NotADirectoryError)
    assert heard.watch(b"link", root / "link") is not None


def test_the_end_of_the_folder_itself_is_heard(
    heard: Heard, root: Path, eventually: Eventually
) -> None:
    heard.watch(b"", root)
    root.rename(root.with_name("elsewhere"))
    eventually(lambda: any(mask & fs.SELF for _, mask, _ in heard.hints))
    heard.hints.clear()
    root.with_name("elsewhere").rmdir()
    eventually(lambda: any(mask & fs.ENDED for _, mask, _ in heard.hints))


def test_a_closed_reader_is_dead_and_silent(root: Path) -> None:
    heard = Heard()
    heard.watch(b"", root)
    assert heard.watches.alive
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    heard.watches.close()
    assert not heard.watches.alive
    assert len(os.listdir("/proc/self/fd")) == descriptors - 3  # noqa: PTH208
    assert heard.hints == []
