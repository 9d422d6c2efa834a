"""Refusals, in words that name what to change."""

import errno
from pathlib import Path

import pytest

from upscaled.watch import limits
from upscaled.watch.limits import explain_refusal, explain_unreadable, explain_unwatched
from upscaled.watch.spec import InboxSpec


@pytest.fixture
def sysctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(limits, "_SYSCTL", tmp_path)
    for name, value in {
        "fs/inotify/max_user_watches": 8192,
        "fs/inotify/max_user_instances": 128,
        "user/max_inotify_watches": 1_000_000,
        "user/max_inotify_instances": 64,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{value}\n")
    return tmp_path


@pytest.mark.usefixtures("sysctl")
def test_the_smaller_of_two_limits_is_the_one_that_is_named() -> None:
    watches = explain_refusal(OSError(errno.ENOSPC, "no space"))
    assert "fs.inotify.max_user_watches is 8192" in watches
    assert "sudo sysctl fs.inotify.max_user_watches=524288" in watches
    instances = explain_refusal(OSError(errno.EMFILE, "too many"))
    assert "user.max_inotify_instances is 64" in instances
    assert "sudo sysctl user.max_inotify_instances=1024" in instances


def test_a_limit_that_is_already_roomy_is_doubled(sysctl: Path) -> None:
    (sysctl / "fs/inotify/max_user_watches").write_text("600000")
    text = explain_refusal(OSError(errno.ENOSPC, "no space"))
    assert "sudo sysctl fs.inotify.max_user_watches=1200000" in text


def test_a_refusal_of_another_kind_keeps_the_kernels_words() -> None:
    assert "Function not implemented" in explain_refusal(
        OSError(errno.ENOSYS, "Function not implemented")
    )
    assert "Stale file handle" in explain_unreadable(OSError(errno.ESTALE, "Stale file handle"))


def test_folders_that_are_polled_are_counted_and_one_is_named() -> None:
    spec = InboxSpec(Path("/inbox"), poll_s=7.5)
    assert explain_unwatched({}, spec) is None
    one = explain_unwatched({b"a": "of this"}, spec)
    assert one == "/inbox/a: looked through every 7.5 s, because of this"
    two = explain_unwatched({b"": "x", b"a": "y"}, spec)
    assert two == "/inbox and 1 other folder: looked through every 7.5 s, because x"
    strange = explain_unwatched({b"caf\xe9\n": "x", b"d": "y", b"e": "z"}, spec)
    assert strange is not None
    assert strange.isprintable()
    assert "2 other folders" in strange
