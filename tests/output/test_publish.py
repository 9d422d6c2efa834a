"""A result gets its name when it is whole, and never in place of what is not ours."""

import hashlib
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from support.builders import ACCESS, DEFAULT, access_list
from upscaled.errors import OutputExists
from upscaled.output import durable
from upscaled.output.publish import Published, publish, sha256_of, sweep

PAYLOAD = b"a result"
DIGEST = hashlib.sha256(PAYLOAD).hexdigest()


def names() -> Iterator[str]:
    yield "a.png"
    for number in count(2):
        yield f"a-{number}.png"


def put(
    folder: Path, collision: str = "number", payload: bytes = PAYLOAD, **more: Any
) -> Published:
    options = {"mark": "mark-1", "announce": lambda _path, _digest: None} | more
    return publish(payload, folder, names(), collision=collision, **options)


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


def test_a_result_stands_whole_in_a_folder_that_is_made_for_it(folder: Path) -> None:
    published = put(folder / "sub")
    assert published == Published(folder / "sub" / "a.png", DIGEST)
    assert published.path.read_bytes() == PAYLOAD
    assert listing(folder / "sub") == ["a.png"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give folders to others")
def test_a_result_belongs_to_the_group_of_a_folder_that_says_so(folder: Path) -> None:
    folder.mkdir()
    os.chown(folder, -1, 23_456)
    folder.chmod(0o2775)
    result = put(folder / "sub").path
    assert (result.stat().st_gid, result.parent.stat().st_gid) == (23_456, 23_456)


def test_a_result_has_the_access_list_that_its_folder_gives_to_new_files(folder: Path) -> None:
    folder.mkdir()
    try:
        os.setxattr(folder, DEFAULT, access_list(user=12_345))
    except OSError as error:
        pytest.skip(f"no access lists here: {error}")
    (folder / "by hand").write_bytes(b"")
    assert access(put(folder).path) == access(folder / "by hand")


def access(path: Path) -> bytes:
    return os.getxattr(path, ACCESS)


def test_it_is_announced_before_its_name_exists_and_after_its_bytes_are_safe(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append("fsync"), real(fd))[1])

    def announce(path: Path, digest: str) -> None:
        assert (path, digest) == (folder / "a.png", DIGEST)
        assert not path.exists()
        (part,) = folder.glob(".*.part")
        assert part.read_bytes() == PAYLOAD
        events.append("announce")

    folder.mkdir()
    put(folder, announce=announce)
    assert events == ["fsync", "announce", "fsync"]


def test_numbers_lead_around_what_is_there(folder: Path) -> None:
    folder.mkdir()
    (folder / "a.png").write_bytes(b"not ours")
    (folder / "a-2.png").symlink_to("dangling")
    announced: list[str] = []
    published = put(folder, announce=lambda path, _: announced.append(path.name))
    assert published.path.name == "a-3.png"
    assert announced == ["a-3.png"]
    assert (folder / "a.png").read_bytes() == b"not ours"


def test_the_very_same_bytes_there_already_are_taken_as_published(folder: Path) -> None:
    folder.mkdir()
    (folder / "a.png").write_bytes(b"not ours")
    first = put(folder)
    before = first.path.stat()
    assert put(folder) == first
    assert first.path.stat() == before
    assert listing(folder) == ["a-2.png", "a.png"]


@pytest.mark.parametrize("collision", ["number", "fail"])
def test_files_of_another_size_are_not_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, collision: str
) -> None:
    folder.mkdir()
    (folder / "a.png").write_bytes(b"of another size")
    monkeypatch.setattr(durable, "opened", lambda _: pytest.fail("was read"))
    if collision == "number":
        assert put(folder, collision).path.name == "a-2.png"
    else:
        with pytest.raises(OutputExists):
            put(folder, collision)


def test_fail_refuses_with_what_to_do_and_leaves_nothing(folder: Path) -> None:
    folder.mkdir()
    (folder / "a.png").write_bytes(b"not ours")
    with pytest.raises(OutputExists) as caught:
        put(folder, "fail")
    assert "collision" in caught.value.hint
    assert listing(folder) == ["a.png"]
    assert (folder / "a.png").read_bytes() == b"not ours"


@pytest.mark.parametrize("content", [b"", b"not ours"])
def test_a_name_that_is_taken_is_never_announced(folder: Path, content: bytes) -> None:
    """What stands at an announced name after a crash is taken for ours."""
    folder.mkdir()
    (folder / "a.png").write_bytes(content)
    announced: list[Path] = []
    with pytest.raises(OutputExists):
        put(folder, "fail", announce=lambda path, _: announced.append(path))
    assert announced == []


def test_folders_are_made_below_the_output_but_not_itself(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        put(folder / "sub" / "deep", within=folder)
    assert not folder.exists()
    folder.mkdir()
    assert put(folder / "sub" / "deep", within=folder).path.exists()


def test_fail_takes_its_own_bytes_as_published(folder: Path) -> None:
    assert put(folder, "fail") == put(folder, "fail")


def test_replace_takes_the_first_name(folder: Path) -> None:
    folder.mkdir()
    (folder / "a.png").write_bytes(b"older")
    assert put(folder, "replace").path.read_bytes() == PAYLOAD
    assert listing(folder) == ["a.png"]


def test_where_no_name_is_free_it_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    (folder / "same.png").write_bytes(b"not ours")
    monkeypatch.setattr("upscaled.output.publish._MOST_NUMBERS", 3)
    always = iter(["same.png"] * 10)
    with pytest.raises(OutputExists, match="3 tries"):
        publish(PAYLOAD, folder, always, mark="m-1", collision="number", announce=lambda *_: None)
    assert listing(folder) == ["same.png"]


@pytest.mark.parametrize("step", ["write", "announce", "place"])
@pytest.mark.parametrize("error", [OSError(5, "failing disk"), KeyboardInterrupt()])
def test_an_error_at_any_step_leaves_nothing_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    more = {}
    if step == "announce":
        more["announce"] = fail
    elif step == "write":
        monkeypatch.setattr(os, "fsync", fail)
        folder.mkdir()
    else:
        monkeypatch.setattr(durable, "place", fail)
    with pytest.raises(type(error)):
        put(folder, **more)
    assert listing(folder) == []


def test_what_an_earlier_attempt_of_this_job_left_is_no_hindrance(folder: Path) -> None:
    folder.mkdir()
    durable.temporary(folder / "x", "mark-1").write_bytes(b"half")
    put(folder)
    assert listing(folder) == ["a.png"]


def test_names_that_are_no_utf8_are_names(folder: Path) -> None:
    published = publish(
        PAYLOAD,
        folder / "caf\udce9",
        iter(["\udcff.png"]),
        mark="m-1",
        collision="number",
        announce=lambda *_: None,
    )
    assert published.path.read_bytes() == PAYLOAD


def test_only_our_own_leftovers_are_swept(folder: Path) -> None:
    (folder / "sub").mkdir(parents=True)
    ours = [folder / ".mine-1.upscaled.part", folder / "sub" / ".mine-22.upscaled.part"]
    others = [
        folder / ".theirs-1.upscaled.part",
        folder / ".mine-1.part",
        folder / "mine-1.upscaled.part",
        folder / "a.png",
    ]
    for path in (*ours, *others):
        path.write_bytes(b"")
    (folder / "loop").symlink_to(folder)
    assert sweep(folder, "mine") == 2
    assert not any(path.exists() for path in ours)
    assert all(path.exists() for path in others)


def test_a_folder_that_is_gone_or_locked_has_nothing_to_sweep(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sweep(folder, "mine") == 0
    folder.mkdir()
    (folder / ".mine-1.upscaled.part").write_bytes(b"")

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(durable, "remove", refuse)
    assert sweep(folder, "mine") == 0


def test_the_digest_of_what_is_no_readable_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    for path in (tmp_path, tmp_path / "none", tmp_path / "link"):
        assert sha256_of(path) is None
