"""The inbox on real inotify and its twin in memory keep one contract; broken ones do not."""

from pathlib import Path

import pytest

from conftest import Eventually
from contracts.inbox import AnyInbox, exercise
from support.fake_inboxes import ListInbox
from upscaled.clock import SystemClock
from upscaled.watch.inbox import Inbox


def _write(_inbox: AnyInbox, path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _tell(inbox: AnyInbox, path: Path, _content: bytes) -> None:
    assert isinstance(inbox, ListInbox)
    inbox.drop(path)


def test_the_inbox_on_real_inotify_keeps_the_contract(
    tmp_path: Path, eventually: Eventually
) -> None:
    root = tmp_path / "inbox"
    root.mkdir()
    exercise(lambda spec, deliver: Inbox(spec, deliver, SystemClock()), _write, root, eventually)


def test_the_twin_keeps_the_contract(tmp_path: Path, eventually: Eventually) -> None:
    exercise(ListInbox, _tell, tmp_path / "inbox", eventually)


class Forgetful(ListInbox):
    """Delivers everything with each scan."""

    def rescan(self) -> None:
        self.delivered.clear()
        super().rescan()


class Careless(ListInbox):
    """Takes a file as delivered whose delivery failed."""

    def drop(self, path: Path, *, reject_reason: str | None = None) -> None:
        self.delivered.add(super().drop(path, reject_reason=reject_reason))


class Undead(ListInbox):
    """Goes on after it was stopped."""

    def stop(self) -> None:
        pass


class Greedy(ListInbox):
    """Does not ask whether a file is wanted."""

    def _is_wanted(self, path: Path) -> bool:  # noqa: ARG002 (as the twin's)
        return True


@pytest.mark.parametrize("broken", [Forgetful, Careless, Undead, Greedy])
def test_a_broken_inbox_does_not_keep_the_contract(
    broken: type[ListInbox], tmp_path: Path, eventually: Eventually
) -> None:
    def soon(condition: object, timeout_s: float = 0.05, what: str = "") -> None:
        eventually(condition, timeout_s, what)

    with pytest.raises((AssertionError, pytest.fail.Exception)):
        exercise(broken, _tell, tmp_path / "inbox", soon)
