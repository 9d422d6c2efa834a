from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from upscaled.errors import StopRequested
from upscaled.models.workspace import settle, workspace


def enter(models_dir: Path, name: str, *, stop: bool = False) -> AbstractContextManager[Path]:
    return workspace(models_dir, name, waiting=lambda: None, cancelled=lambda: stop)


def test_what_the_dead_left_is_swept_and_what_the_living_have_stays(tmp_path: Path) -> None:
    dead = tmp_path / "scratch" / "0123456789abcdef"
    dead.mkdir(parents=True)
    (dead / "half.bin").write_bytes(b"x")
    with enter(tmp_path, "a") as living:
        (living / "half.bin").write_bytes(b"x")
        assert not dead.exists()
        with enter(tmp_path, "b"):
            assert (living / "half.bin").exists()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_second_one_waits_for_the_first_until_it_is_stopped(tmp_path: Path) -> None:
    with enter(tmp_path, "a"), pytest.raises(StopRequested), enter(tmp_path, "a", stop=True):
        pass
    with enter(tmp_path, "a") as folder:
        assert list(folder.iterdir()) == []


def test_a_settled_file_replaces_the_one_before(tmp_path: Path) -> None:
    target = tmp_path / "models" / "x.bin"
    for content in (b"old", b"new"):
        finished = tmp_path / "finished"
        finished.write_bytes(content)
        settle(finished, target)
        assert target.read_bytes() == content
        assert not finished.exists()
