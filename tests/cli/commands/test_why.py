"""`upscaled why`: each reason there is for a file to be done, to wait, or to be left alone."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from support.builders import DELIVERY, NOW, RECIPE
from upscaled.cli.group import cli
from upscaled.dirs import find_dirs
from upscaled.errors import UsageError
from upscaled.job import Arrival, Fingerprint
from upscaled.outcomes import Failed
from upscaled.store.jobs import Store


def why(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["why", *map(str, words)])


def answered(*words: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(why("--json", *words).stdout)
    return found


@pytest.fixture
def inbox(home: Path) -> Path:
    inbox = home / "Upscale" / "inbox"
    inbox.mkdir(parents=True)
    return inbox


@pytest.fixture
def configured(tmp_path: Path, inbox: Path) -> Callable[..., Path]:
    """`configured(more)`: a file with one rule; `more` are lines of it."""

    def write(*more: str) -> Path:
        config = tmp_path / "upscaled.yml"
        lines = ["rules:", "  photos:", f"    watch: {inbox}", f"    output: {tmp_path}/out"]
        config.write_text("\n".join([*lines, *(f"    {line}" for line in more)]) + "\n")
        return config

    return write


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), "red").save(path, "PNG")
    return path


@pytest.fixture
def queue(inbox: Path) -> None:
    """Two jobs that wait, and one that failed."""
    store = Store.open(find_dirs().store)
    for number, name in enumerate(("bad.png", "one.png", "gone.png")):
        found = [Arrival(inbox / name, Fingerprint(1, number, 1, 1))]
        store.admit("default", inbox, found, RECIPE, DELIVERY, now=NOW)
    for name in ("bad.png", "one.png"):
        (inbox / name).write_bytes(b"x")
    (ready,) = store.ready(["default"], NOW)
    order = store.claim(ready, "me", NOW)
    assert order is not None
    store.record(order.job_id, Failed("not an image", "save it anew"), NOW)
    store.close()


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("bad.png", "failed: not an image"),
        ("one.png", "waits in the queue"),
        ("new.png", "the daemon is not running"),
        ("gone.png", "does not exist"),
        ("new.png.part", "unfinished"),
    ],
)
def test_it_says_what_became_of_a_file(name: str, told: str, inbox: Path) -> None:
    for new in ("new.png", "new.png.part"):
        (inbox / new).write_bytes(b"x")
    result = why(inbox / name)
    assert result.exit_code == 0
    assert told in result.stdout
    report = answered(inbox / name)
    assert report["schema_version"] == 1
    assert any(told in line for line in report["told"])


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_file_that_never_was_is_a_mistake(words: tuple[str, ...], inbox: Path) -> None:
    result = why(*words, inbox / "never.png")
    assert isinstance(result.exception, UsageError)
    assert f"{inbox}/never.png: there is no such file" in result.exception.message
    assert result.stdout, "what a rule says of the name is told all the same"
    assert not words or json.loads(result.stdout)["exists"] is False


def test_the_line_that_keeps_a_file_out_is_named(
    inbox: Path, configured: Callable[..., Path]
) -> None:
    (inbox / "notes.txt").write_text("x")
    config = configured("include: ['*.png']")
    shown = why(inbox / "notes.txt", "--config", config).stdout
    assert shown.splitlines()[0] == "no rule takes it"
    assert "upscaled.yml:5" in shown


@pytest.mark.parametrize(
    ("name", "make", "told"),
    [
        ("link.png", lambda path: path.symlink_to("/etc/hostname"), "is a symbolic link: put"),
        ("dead.png", lambda path: path.symlink_to("nowhere"), "is a symbolic link to nothing"),
        ("empty.png", lambda path: path.touch(), "is empty (0 bytes)"),
        ("pipe.png", os.mkfifo, "is a named pipe, not an image"),
        ("folder.png", lambda path: path.mkdir(), "is a folder: name a file in it"),
        ("a.png~", lambda path: path.write_bytes(b"x"), "unfinished or own files"),
    ],
)
def test_what_is_no_image_file_is_said_before_the_rules(
    name: str, make: Callable[[Path], object], told: str, inbox: Path
) -> None:
    make(inbox / name)
    first = why(inbox / name).stdout.splitlines()[0]
    assert first.startswith("no rule takes it: it ")
    assert told in first
    report = answered(inbox / name)
    assert told in report["obstacle"]
    assert (report["exists"], report["rule"]) == (True, None)


def test_a_file_that_somebody_still_writes_to_waits_for_them(inbox: Path) -> None:
    path = picture(inbox / "a.png")
    with path.open("ab"):
        assert "a program has it open" in why(path).stdout.splitlines()[0]
    assert "a program has it open" not in why(path).stdout


def test_results_of_a_chain_are_taken_and_others_are_not(inbox: Path, tmp_path: Path) -> None:
    config = tmp_path / "chain.yml"
    config.write_text(
        f"rules:\n  large:\n    watch: {inbox}\n    output: {tmp_path}/out\n    recursive: true\n"
        f"  first:\n    watch: {tmp_path}/other\n    output: {inbox}/done\n    allow_chain: true\n"
    )
    path = picture(inbox / "done" / "a_4x.png")
    assert answered(path, "--config", config)["rule"] == "large"


def test_a_file_named_by_another_way_is_known(
    inbox: Path, tmp_path: Path, configured: Callable[..., Path]
) -> None:
    picture(inbox / "a.png")
    (tmp_path / "way").symlink_to(inbox)
    report = answered(tmp_path / "way" / "a.png", "--config", configured())
    assert (report["file"], report["rule"]) == (str(inbox / "a.png"), "photos")


@pytest.mark.parametrize(("condition", "taken"), [("{gray: false}", True), ("{gray: true}", False)])
def test_conditions_on_the_picture_are_answered_by_its_header(
    condition: str, taken: bool, inbox: Path, configured: Callable[..., Path]
) -> None:
    config = configured(f"when: {condition}")
    report = answered(picture(inbox / "a.png"), "--config", config)
    assert (report["rule"] == "photos") is taken
    assert taken or "it is in colour" in report["verdicts"][0]["reason"]


def test_bytes_that_no_condition_can_be_asked_of_are_no_image(
    inbox: Path, configured: Callable[..., Path]
) -> None:
    (inbox / "a.png").write_bytes(b"<html>")
    shown = why(inbox / "a.png", "--config", configured("when: {gray: true}")).stdout
    assert "cannot be read as an image" in shown.splitlines()[0]


@pytest.mark.parametrize("name", ["caf\udce9.png", "a\nb.png", "\u202egnp.png"])
def test_any_name_is_answered_in_print(name: str, inbox: Path) -> None:
    path = inbox / name
    picture(inbox / "plain.png").rename(path)
    shown = why(path).stdout
    shown.encode("utf-8")
    assert "taken by rule photos" in shown
    assert "\u202e" not in shown
