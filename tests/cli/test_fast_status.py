"""What `status` gathers where the daemon and the shell do not agree."""

from pathlib import Path
from typing import Any

import pytest

from support.builders import DELIVERY, INBOX, NOW, RECIPE, arrival
from upscaled.cli import fast_status
from upscaled.dirs import find_dirs
from upscaled.store.jobs import Store


@pytest.mark.usefixtures("home")
def test_the_jobs_are_read_where_the_daemon_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service does not have the `$XDG_STATE_HOME` that a shell exports."""
    theirs = tmp_path / "theirs" / "upscaled.db"
    theirs.parent.mkdir()
    store = Store.open(theirs)
    store.admit("photos", INBOX, [arrival("a.png")], RECIPE, DELIVERY, now=NOW)
    store.close()
    monkeypatch.setattr(fast_status, "ask", lambda *_: {"pid": 1, "store": str(theirs)})

    report = fast_status.gather(find_dirs())

    assert [rule["waiting"] for rule in report["rules"]] == [1]
    (told,) = [problem for problem in report["problems"] if "keeps its jobs" in problem["what"]]
    assert str(theirs.parent) in told["what"]
    assert "XDG_STATE_HOME" in told["hint"]
    assert "deleted" not in str(report["problems"])


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("told", [None, 5, ["x"]])
def test_a_daemon_that_does_not_say_where_has_them_where_we_look(
    told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dirs = find_dirs()
    Store.open(dirs.store).close()
    monkeypatch.setattr(fast_status, "ask", lambda *_: {"pid": 1, "store": told})
    assert fast_status.gather(dirs)["problems"] == []
