"""Anything that can be done to a tree is done, at random, and events alone have to suffice."""

import contextlib
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Eventually
from upscaled.job import Fingerprint
from watch.conftest import Watch, Watched

HOURS_S = 7200.0


class Vandal:
    """Writes, appends, links, renames, moves in and out, and deletes, below one folder."""

    def __init__(self, root: Path, outside: Path, seed: int) -> None:
        self._root = root
        self._outside = outside
        self._random = random.Random(seed)  # noqa: S311 - the same acts for the same seed
        self._number = 0

    def act(self) -> None:
        """One random act; what fails because of an earlier one is no act."""
        acts: list[Callable[[Path], object]] = [
            *[self._write] * 5,
            *[self._grow_tree] * 2,
            self._append,
            self._link,
            self._rename_file,
            self._rename_folder,
            self._move_out,
            self._move_in,
            self._delete_file,
            self._delete_folder,
        ]
        self._number += 1
        with contextlib.suppress(OSError):
            self._random.choice(acts)(self._random.choice(folders(self._root)))

    def _new(self, suffix: str = "") -> str:
        return f"{self._number}{suffix}"

    def _file(self) -> Path:
        return self._random.choice(files(self._root) or [self._root / "none"])

    def _folder(self) -> Path:
        below = [folder for folder in folders(self._root) if folder != self._root]
        return self._random.choice(below or [self._root / "none"])

    def _write(self, folder: Path) -> None:
        (folder / self._new(".png")).write_bytes(os.urandom(self._random.randint(1, 50)))

    def _grow_tree(self, folder: Path) -> None:
        deep = folder / self._new() / "deep"
        deep.mkdir(parents=True)
        (deep / "a.png").write_bytes(b"pixels")

    def _append(self, _folder: Path) -> None:
        path = self._file()
        # A change by one of several names of a file has no event for the others: scans find it.
        if path.lstat().st_nlink == 1:
            with path.open("ab") as writer:
                writer.write(b"more")

    def _link(self, folder: Path) -> None:
        (folder / self._new(".png")).hardlink_to(self._file())

    def _rename_file(self, folder: Path) -> None:
        self._file().rename(folder / self._new(".png"))

    def _rename_folder(self, folder: Path) -> None:
        self._folder().rename(folder / self._new())

    def _move_out(self, _folder: Path) -> None:
        self._folder().rename(self._outside / self._new())

    def _move_in(self, folder: Path) -> None:
        self._random.choice(list(self._outside.iterdir()) or [self._root / "none"]).rename(
            folder / self._new()
        )

    def _delete_file(self, _folder: Path) -> None:
        self._file().unlink()

    def _delete_folder(self, _folder: Path) -> None:
        folder = self._folder()
        if len(files(folder)) < 20:
            shutil.rmtree(folder)


def folders(top: Path) -> list[Path]:
    return [Path(folder) for folder, _, _ in os.walk(top)]


def files(top: Path) -> list[Path]:
    return [Path(folder, name) for folder, _, names in os.walk(top) for name in names]


def mark(path: Path) -> tuple[Path, Fingerprint]:
    status = path.lstat()
    return path, Fingerprint(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def missing(watched: Watched) -> list[Path]:
    delivered = {(each.path, each.fingerprint) for each in list(watched.arrivals)}
    return [path for path in files(watched.root) if mark(path) not in delivered]


@pytest.mark.parametrize(
    "seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(3, 30))]
)
def test_every_file_is_delivered_once_whatever_happens_around_it(
    watch: Watch, root: Path, tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    (tmp_path / "outside").mkdir()
    watched = watch(rescan_s=HOURS_S)
    vandal = Vandal(root, tmp_path / "outside", seed)
    end = time.monotonic() + 2.0
    while time.monotonic() < end:
        vandal.act()
        time.sleep(0.002)
    eventually(lambda: missing(watched) == [])
    counts = Counter((each.path, each.fingerprint) for each in watched.arrivals)
    assert max(counts.values()) == 1
    eventually(lambda: watched.inbox.view().files == len(files(root)))
    watches = watched.inbox._survey.watches
    assert watches is not None
    assert len(watches) == len(folders(root))
    assert watched.inbox.view().reason is None
