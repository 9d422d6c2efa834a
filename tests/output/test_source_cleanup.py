"""What becomes of a source: what the rule says, and only while it is the very file."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.builders import ACCESS, access_list
from upscaled.delivery import Delivery
from upscaled.errors import DiskMissing
from upscaled.filesystem.mount_guard import check_mount
from upscaled.job import Fingerprint, JobState, MountIdentity
from upscaled.output import durable
from upscaled.output.source_cleanup import dispose, fingerprint, taken

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
    fate = dispose(source, Path("sub"), expected, delivery, state, mark="mark")
    return fate and fate.note


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


@pytest.mark.parametrize("wish", ["delete", "move", "trash"])
@pytest.mark.parametrize("state", [DONE, FAILED])
def test_a_source_that_somebody_writes_to_is_left_where_it_is(
    source: Path, tmp_path: Path, state: JobState, wish: str
) -> None:
    word = "success" if state is DONE else "failure"
    if state is FAILED and wish != "move":
        pytest.skip("a rule cannot ask for it")
    with source.open("ab"):
        note = act(source, state, **{f"on_{word}": wish, f"{word}_folder": tmp_path / "old"})
        assert note == "open in a program that writes to it; left where it is"
    assert source.read_bytes() == b"an image"


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


# Between the last look and the deed


def private(source: Path) -> Path:
    return source.with_name(".mark.upscaled.source")


@pytest.fixture
def at_the_last_moment(monkeypatch: pytest.MonkeyPatch, source: Path) -> Callable[..., None]:
    """`at_the_last_moment(do)`: `do` happens between the check of the source and its taking."""

    def arrange(do: Callable[[], object]) -> None:
        real = Path.rename

        def rename(path: Path, target: Path) -> Path:
            if path == source:
                do()
            return real(path, target)

        monkeypatch.setattr(Path, "rename", rename)

    return arrange


@pytest.mark.parametrize("wish", ["delete", "move"])
def test_a_new_file_that_takes_its_name_at_the_last_moment_is_left_alone(
    source: Path, tmp_path: Path, at_the_last_moment: Callable[..., None], wish: str
) -> None:
    new = tmp_path / "new.png"
    new.write_bytes(b"new image")
    at_the_last_moment(lambda: new.replace(source))
    note = act(source, on_success=wish, success_folder=tmp_path / "old")
    assert note == "changed since; left where it is"
    assert source.read_bytes() == b"new image"
    assert [path.name for path in source.parent.iterdir()] == ["a.png"]


@pytest.mark.parametrize("wish", ["delete", "move"])
def test_a_file_that_goes_at_the_last_moment_is_gone(
    source: Path, tmp_path: Path, at_the_last_moment: Callable[..., None], wish: str
) -> None:
    at_the_last_moment(source.unlink)
    act(source, on_success=wish, success_folder=tmp_path / "old")
    assert list(source.parent.iterdir()) == []


def test_where_both_are_new_each_keeps_a_name(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = fingerprint(source)
    real = fingerprint

    def seen_too_late(path: Path) -> Fingerprint | None:
        if path == private(source) and path.exists():
            source.write_bytes(b"newest")
            path.write_bytes(b"newer")
        return real(path)

    monkeypatch.setattr("upscaled.output.source_cleanup.fingerprint", seen_too_late)
    act(source, expected=expected, on_success="delete")
    kept = {path.name: path.read_bytes() for path in source.parent.iterdir()}
    assert kept == {"a.png": b"newest", "a-2.png": b"newer"}


@pytest.mark.parametrize("wish", ["delete", "move"])
@pytest.mark.parametrize("new", [True, False])
def test_one_that_was_taken_by_a_run_that_was_cut_off_is_finished(
    source: Path, tmp_path: Path, wish: str, new: bool
) -> None:
    expected = fingerprint(source)
    source.rename(private(source))
    if new:
        source.write_bytes(b"new image")
    act(source, expected=expected, on_success=wish, success_folder=tmp_path / "old")
    assert not private(source).exists()
    assert source.exists() == new
    if wish == "move":
        assert (tmp_path / "old" / "sub" / "a.png").read_bytes() == b"an image"


def test_one_that_was_taken_and_is_another_file_is_put_back(source: Path) -> None:
    expected = fingerprint(source)
    source.rename(private(source))
    private(source).write_bytes(b"somebody had it open")
    assert act(source, expected=expected, on_success="delete") == "changed since; left where it is"
    assert source.read_bytes() == b"somebody had it open"


def test_a_name_of_255_bytes_is_taken_too(tmp_path: Path) -> None:
    source = tmp_path / ("x" * 251 + ".png")
    source.write_bytes(b"an image")
    assert act(source, on_success="delete") == "deleted"


def test_a_claim_of_a_move_that_was_cut_off_is_filled(source: Path, tmp_path: Path) -> None:
    expected = fingerprint(source)
    source.rename(private(source))
    (tmp_path / "old" / "sub").mkdir(parents=True)
    (tmp_path / "old" / "sub" / "a.png").write_bytes(b"")
    act(source, expected=expected, on_success="move", success_folder=tmp_path / "old")
    assert [p.name for p in (tmp_path / "old" / "sub").iterdir()] == ["a.png"]
    assert (tmp_path / "old" / "sub" / "a.png").read_bytes() == b"an image"


def test_an_empty_file_of_somebody_else_is_never_written_over(source: Path, tmp_path: Path) -> None:
    (tmp_path / "old" / "sub").mkdir(parents=True)
    (tmp_path / "old" / "sub" / "a.png").write_bytes(b"")
    act(source, on_success="move", success_folder=tmp_path / "old")
    assert (tmp_path / "old" / "sub" / "a.png").read_bytes() == b""
    assert (tmp_path / "old" / "sub" / "a-2.png").read_bytes() == b"an image"


def test_a_folder_that_leads_back_into_the_inbox_is_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "old").symlink_to(source.parent.parent)
    with pytest.raises(OSError, match="onto itself"):
        act(source, on_success="move", success_folder=tmp_path / "old")
    assert [path.name for path in source.parent.iterdir()] == ["a.png"]


# Where the disk is gone


def test_a_source_whose_disk_is_gone_is_not_taken_for_gone(tmp_path: Path) -> None:
    inbox = tmp_path / "disk" / "inbox"
    expected = Fingerprint(1, 2, 3, 4)
    before = MountIdentity(tmp_path / "disk", 1, 2)
    with pytest.raises(DiskMissing):
        dispose(
            inbox / "sub" / "a.png",
            Path("sub"),
            expected,
            Delivery(tmp_path, on_success="delete"),
            DONE,
            mark="mark",
            mount_of={inbox: before}.get,
        )


def test_nothing_is_moved_beneath_the_place_of_a_disk_that_is_gone(
    source: Path, tmp_path: Path
) -> None:
    old = tmp_path / "disk" / "old"
    found: dict[Path, MountIdentity] = {}
    expected = fingerprint(source)
    assert expected
    delivery = Delivery(tmp_path, on_success="move", success_folder=old)
    words: Any = {"mark": "mark", "found": found.__setitem__}
    before = MountIdentity(tmp_path / "disk", 1, 2)
    with pytest.raises(DiskMissing):
        dispose(source, Path("sub"), expected, delivery, DONE, mount_of={old: before}.get, **words)
    assert not old.exists()
    dispose(source, Path("sub"), expected, delivery, DONE, **words)
    assert found == {old: check_mount(old, None, required=None)}


# To another file system


@pytest.fixture
def elsewhere(tmp_path: Path) -> Any:
    import tempfile  # noqa: PLC0415 (only here)

    shared = Path("/dev/shm")  # noqa: S108 (the one place that is often another file system)
    if not os.access(shared, os.W_OK) or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("shared memory is no other file system here")
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


@pytest.mark.parametrize("state", [DONE, FAILED])
def test_a_move_to_another_file_system_keeps_bytes_and_times(
    source: Path, elsewhere: Path, state: JobState
) -> None:
    source.chmod(0o640)
    word = "success" if state is DONE else "failure"
    act(source, state, **{f"on_{word}": "move", f"{word}_folder": elsewhere})
    moved = elsewhere / "sub" / "a.png"
    assert moved.read_bytes() == b"an image"
    assert moved.stat().st_mtime == 1_000_000
    assert moved.stat().st_mode & 0o777 == 0o640
    assert not source.exists()
    assert [path.name for path in moved.parent.iterdir()] == ["a.png"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to others")
def test_a_move_to_another_file_system_keeps_the_owner(source: Path, elsewhere: Path) -> None:
    os.chown(source, 12_345, 23_456)
    act(source, on_success="move", success_folder=elsewhere)
    moved = (elsewhere / "sub" / "a.png").stat()
    assert (moved.st_uid, moved.st_gid) == (12_345, 23_456)


def test_a_move_to_another_file_system_keeps_the_access_list(source: Path, elsewhere: Path) -> None:
    wanted = access_list(user=12_345)
    (elsewhere / "probe").write_bytes(b"")
    try:
        os.setxattr(source, ACCESS, wanted)
        os.setxattr(elsewhere / "probe", ACCESS, wanted)
    except OSError as error:
        pytest.skip(f"no access lists here: {error}")
    act(source, on_success="move", success_folder=elsewhere)
    assert os.getxattr(elsewhere / "sub" / "a.png", ACCESS) == wanted


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
        with source_then.open("ab") as writer:
            writer.write(b" and more")

    source_then = taken(source, "mark")
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
