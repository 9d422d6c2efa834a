"""What becomes of a source: what the rule says, and only while it is the very file."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from upscaled.job import Delivery, Fingerprint, JobState
from upscaled.output import durable
from upscaled.output.source import dispose, fingerprint

DONE, FAILED = JobState.DONE, JobState.FAILED


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "inbox" / "sub" / "a.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"an image")
    os.utime(path, (1_000_000, 1_000_000))
    return path


def act(
    source: Path, state: JobState = DONE, expected: Fingerprint | None = None, **wish: Any
) -> str | None:
    expected = expected or fingerprint(source)
    assert expected
    delivery = Delivery(Path("/outbox"), **wish)
    return dispose(source, Path("sub"), expected, delivery, state, mark="mark")


def test_a_source_is_kept_unless_the_rule_says_otherwise(source: Path) -> None:
    assert act(source) is None
    assert act(source, FAILED) is None
    assert act(source, FAILED, on_success="delete") is None
    assert source.read_bytes() == b"an image"


def test_a_source_is_deleted(source: Path) -> None:
    assert act(source, on_success="delete") == "deleted"
    assert not source.exists()


@pytest.mark.parametrize("state", [DONE, FAILED])
def test_a_source_is_moved_below_its_folder(source: Path, tmp_path: Path, state: JobState) -> None:
    word = "success" if state is DONE else "failure"
    wish = {f"on_{word}": "move", f"{word}_folder": tmp_path / "old"}
    assert act(source, state, **wish) == f"moved to {tmp_path}/old/sub/a.png"
    assert (tmp_path / "old" / "sub" / "a.png").read_bytes() == b"an image"
    assert not source.exists()


@pytest.mark.parametrize("wish", ["delete", "move"])
@pytest.mark.parametrize("change", ["rewritten", "replaced", "gone"])
def test_a_source_that_is_another_file_now_is_left_alone(
    source: Path, tmp_path: Path, wish: str, change: str
) -> None:
    expected = fingerprint(source)
    if change == "gone":
        source.unlink()
    elif change == "rewritten":
        source.write_bytes(b"new image")
    else:
        (tmp_path / "other").write_bytes(b"an image")
        (tmp_path / "other").replace(source)
    note = act(source, expected=expected, on_success=wish, success_folder=tmp_path / "old")
    assert note == ("already gone" if change == "gone" else "changed since; left where it is")
    assert source.exists() == (change != "gone")
    assert not (tmp_path / "old").exists()


def test_a_link_put_in_its_place_is_not_followed(source: Path, tmp_path: Path) -> None:
    expected = fingerprint(source)
    source.replace(tmp_path / "precious.png")
    source.symlink_to(tmp_path / "precious.png")
    act(source, expected=expected, on_success="delete")
    assert (tmp_path / "precious.png").exists()
    assert source.is_symlink()


def test_after_a_start_with_other_device_numbers_it_is_still_the_file(source: Path) -> None:
    found = fingerprint(source)
    assert found
    elsewhere = Fingerprint(found.device + 1, found.inode, found.size_bytes, found.mtime_ns)
    assert act(source, expected=elsewhere, on_success="delete") == "deleted"


def test_a_name_that_is_taken_gets_a_number(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "old" / "sub"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(b"not ours")
    (folder / "a-2.png").symlink_to("dangling")
    assert act(source, on_success="move", success_folder=tmp_path / "old") == (
        f"moved to {folder}/a-3.png"
    )
    assert (folder / "a.png").read_bytes() == b"not ours"


def test_a_name_of_255_bytes_that_is_taken_gets_a_number_that_fits(tmp_path: Path) -> None:
    name = "x" * 251 + ".png"
    (tmp_path / "old" / "sub").mkdir(parents=True)
    (tmp_path / "old" / "sub" / name).write_bytes(b"not ours")
    source = tmp_path / name
    source.write_bytes(b"an image")
    act(source, on_success="move", success_folder=tmp_path / "old")
    assert (tmp_path / "old" / "sub" / f"{'x' * 249}-2.png").read_bytes() == b"an image"


# To another file system


@pytest.fixture
def elsewhere(tmp_path: Path) -> Any:
    import tempfile  # noqa: PLC0415 (only here)

    shared = Path("/dev/shm")  # noqa: S108 (the one place that is often another file system)
    if not os.access(shared, os.W_OK) or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("shared memory is no other file system here")
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


def test_a_move_to_another_file_system_keeps_bytes_and_times(source: Path, elsewhere: Path) -> None:
    source.chmod(0o640)
    act(source, on_success="move", success_folder=elsewhere)
    moved = elsewhere / "sub" / "a.png"
    assert moved.read_bytes() == b"an image"
    assert moved.stat().st_mtime == 1_000_000
    assert moved.stat().st_mode & 0o777 == 0o640
    assert not source.exists()
    assert [path.name for path in moved.parent.iterdir()] == ["a.png"]


def test_a_name_that_is_taken_there_gets_a_number_too(source: Path, elsewhere: Path) -> None:
    (elsewhere / "sub").mkdir()
    (elsewhere / "sub" / "a.png").write_bytes(b"not ours")
    act(source, on_success="move", success_folder=elsewhere)
    listing = sorted(path.name for path in (elsewhere / "sub").iterdir())
    assert listing == ["a-2.png", "a.png"]
    assert (elsewhere / "sub" / "a.png").read_bytes() == b"not ours"


def test_a_source_that_grows_while_it_is_copied_stays(
    source: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = durable.write

    def write(path: Path, chunks: Any) -> None:
        real(path, chunks)
        with source.open("ab") as stream:
            stream.write(b" and more")

    monkeypatch.setattr(durable, "write", write)
    note = act(source, on_success="move", success_folder=elsewhere)
    assert note == "changed since; left where it is"
    assert source.read_bytes() == b"an image and more"
    assert list((elsewhere / "sub").iterdir()) == []


def test_times_that_the_other_file_system_refuses_are_no_reason_to_fail(
    source: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "utime", refuse)
    act(source, on_success="move", success_folder=elsewhere)
    assert (elsewhere / "sub" / "a.png").read_bytes() == b"an image"


@pytest.mark.parametrize("there", ["here", "there"])
def test_a_move_that_was_cut_off_before_the_source_went_is_finished(
    source: Path, tmp_path: Path, elsewhere: Path, there: str
) -> None:
    folder = elsewhere if there == "there" else tmp_path / "old"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.png").write_bytes(source.read_bytes())
    note = act(source, on_success="move", success_folder=folder)
    assert note == f"moved to {folder}/sub/a.png"
    assert not source.exists()
    assert [path.name for path in (folder / "sub").iterdir()] == ["a.png"]


def test_a_full_disk_there_leaves_the_source_and_nothing_else(
    source: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        act(source, on_success="move", success_folder=elsewhere)
    monkeypatch.undo()
    assert source.read_bytes() == b"an image"
    assert list((elsewhere / "sub").iterdir()) == []


def test_what_cannot_be_deleted_is_raised(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(durable, "remove", refuse)
    with pytest.raises(PermissionError):
        act(source, on_success="delete")
    assert source.exists()
