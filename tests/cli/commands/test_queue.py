"""Lists and orders for jobs, with the daemon down and (in `tests/system`) up."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from support.builders import DELIVERY, NOW, RECIPE
from upscaled.cli.group import cli
from upscaled.cli.input_files import expand
from upscaled.dirs import find_dirs
from upscaled.errors import DaemonNotRunning, UsageError
from upscaled.job import Arrival, Fingerprint
from upscaled.outcomes import Failed
from upscaled.store.jobs import Store


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


@pytest.fixture
def inbox(home: Path) -> Path:
    inbox = home / "Upscale" / "inbox"
    inbox.mkdir(parents=True)
    return inbox


@pytest.fixture
def queue(inbox: Path) -> None:
    """Two jobs that wait, and one that failed."""
    store = Store.open(find_dirs().store)
    for number, name in enumerate(("bad.png", "one.png", "two.png")):
        (inbox / name).write_bytes(b"x")
        found = [Arrival(inbox / name, Fingerprint(1, number, 1, 1))]
        store.admit("default", inbox, found, RECIPE, DELIVERY, now=NOW)
    (ready,) = store.ready(["default"], NOW)
    order = store.claim(ready, "me", NOW)
    assert order is not None
    store.record(order.job_id, Failed("not an image", "save it anew"), NOW)
    store.close()


@pytest.mark.usefixtures("queue")
def test_lists_are_read_from_the_database_while_no_daemon_runs() -> None:
    waiting = json.loads(run("queue", "--json").stdout)
    assert (waiting["schema_version"], waiting["total"]) == (1, 2)
    assert [Path(job["file"]).name for job in waiting["jobs"]] == ["one.png", "two.png"]
    failed = json.loads(run("failed", "--json").stdout)
    assert [(job["id"], job["reason"]) for job in failed["jobs"]] == [(1, "not an image")]
    shown = run("failed").stdout
    assert "not an image" in shown
    assert "upscaled retry" in shown
    assert "one.png" in run("queue").stdout


@pytest.mark.usefixtures("queue")
def test_a_rule_without_jobs_is_told_with_those_that_have_some() -> None:
    result = run("queue", "--rule", "scans")
    assert isinstance(result.exception, UsageError)
    assert "default" in (result.exception.hint or "")


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize(
    "words", [["forget", "1"], ["bump", "2"], ["forget", "--all-failed"], ["add", "."]]
)
def test_orders_need_a_daemon(
    words: list[str], inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(inbox)
    result = run(*words)
    assert isinstance(result.exception, DaemonNotRunning)
    assert "upscaled up" in (result.exception.hint or "")


@pytest.mark.parametrize("words", [["forget"], ["forget", "1", "--all-failed"]])
def test_what_to_forget_has_to_be_said(words: list[str]) -> None:
    assert isinstance(run(*words).exception, UsageError)


def test_logs_say_where_to_look_when_nothing_runs() -> None:
    result = run("logs")
    assert isinstance(result.exception, DaemonNotRunning)
    assert "upscaled up" in (result.exception.hint or "")


# What a person names


def test_names_folders_and_patterns_give_each_file_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.jpg", "notes.txt", "deep/c.png", "[odd].png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")

    def names(*words: str) -> list[str]:
        return [str(n.path.relative_to(tmp_path)) for n in expand(map(Path, words))]

    assert names("a.png", "*.png") == ["a.png", "[odd].png"]
    assert names("[odd].png") == ["[odd].png"]
    assert names("notes.txt") == ["notes.txt"]
    assert names("**/*.png") == ["[odd].png", "a.png", "deep/c.png"]
    assert sorted(names(".")) == ["[odd].png", "a.png", "b.jpg", "deep/c.png"]
    with pytest.raises(UsageError, match="there is no file"):
        names("*.webp")
