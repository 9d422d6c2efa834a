"""Room is asked for before the work; what would fit never waits."""

import errno
import os
from pathlib import Path

import pytest

from upscaled.output.free_space import check_room


def test_a_picture_that_fits_may_be_made(tmp_path: Path) -> None:
    check_room(tmp_path / "not" / "made" / "yet", 1000, is_lossy=False)


@pytest.mark.parametrize(("is_lossy", "share"), [(False, 2), (True, 8)])
def test_a_picture_that_cannot_fit_is_told_before_the_work(
    tmp_path: Path, is_lossy: bool, share: int
) -> None:
    found = os.statvfs(tmp_path)
    free = found.f_bavail * found.f_frsize

    with pytest.raises(OSError, match="No space left") as caught:
        check_room(tmp_path, 4 * share * free, is_lossy=is_lossy)

    assert caught.value.errno == errno.ENOSPC
    check_room(tmp_path, share * free // 2, is_lossy=is_lossy)


def test_a_disk_without_names_left_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = list(os.statvfs(tmp_path))
    files, available = 5, 7
    found[files], found[available] = 100, 0
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(found))

    with pytest.raises(OSError, match="No space left"):
        check_room(tmp_path, 1, is_lossy=False)
