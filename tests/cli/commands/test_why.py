"""`upscaled why`: each reason there is for a file to be done, to wait, or to be left alone."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from support.builders import DELIVERY, NOW, RECIPE
from upscaled.cli.group import cli
from upscaled.control.protocol import Request
from upscaled.control.server import Server
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


def socket_at(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize(
    ("name", "make", "told"),
    [
        ("link.png", lambda path: path.symlink_to("/etc/hostname"), "is a symbolic link: put"),
        ("dead.png", lambda path: path.symlink_to("nowhere"), "is a symbolic link to nothing"),
        ("empty.png", lambda path: path.touch(), "is empty (0 bytes)"),
        ("pipe.png", os.mkfifo, "is a named pipe, not an image"),
        ("socket.png", socket_at, "is a socket, not an image"),
        ("folder.png", lambda path: path.mkdir(), "is a folder: name a file in it"),
        ("a.png~", lambda path: path.write_bytes(b"x"), "unfinished or own files"),
    ],
)
def test_what_is_no_image_file_is_said_before_the_rules(
    name: str, make: Callable[[Path], object], told: str, inbox: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(inbox)  # a socket's address is short
    make(Path(name))
    first = why(name).stdout.splitlines()[0]
    assert first.startswith("no rule takes it: it ")
    assert told in first
    report = answered(inbox / name)
    assert told in report["obstacle"]
    assert told in report["reason"]
    assert (report["exists"], report["rule"]) == (True, None)


def test_a_device_is_no_image() -> None:
    assert "it is a device, not an image" in why("/dev/null").stdout.splitlines()[0]


def test_a_file_that_somebody_still_writes_to_waits_for_them(inbox: Path) -> None:
    path = picture(inbox / "a.png")
    writer = [sys.executable, "-c", "import sys; f = open(sys.argv[1], 'ab'); print(); input()"]
    with subprocess.Popen(
        [*writer, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert "a program has it open" in why(path).stdout.splitlines()[0]
        child.communicate(b"\n")
    assert "a program has it open" not in why(path).stdout


def test_results_say_by_which_line_they_lie_there(
    inbox: Path, configured: Callable[..., Path], tmp_path: Path
) -> None:
    config = configured()
    shown = why(picture(tmp_path / "out" / "a_4x.png"), "--config", config).stdout
    assert shown.splitlines() == [
        "no rule takes it: it lies in no inbox",
        f"✗ photos: it lies where the rule puts its results ({config}:4:13)",
    ]
    assert inbox.exists()


def test_results_that_an_inbox_reaches_by_a_link_are_not_taken(
    inbox: Path, configured: Callable[..., Path], tmp_path: Path
) -> None:
    config = configured("follow_symlinks: true")
    result = picture(tmp_path / "out" / "a_4x.png")
    (inbox / "link").symlink_to(tmp_path)
    report = answered(inbox / "link" / "out" / result.name, "--config", config)
    (verdict,) = report["verdicts"]
    assert verdict["reason"] == f"{inbox}/link/out is where rule photos puts its results"
    assert verdict["origin"] == f"{config}:4:13"
    assert report["rule"] is None


def test_the_second_rule_says_which_has_the_file(
    inbox: Path, configured: Callable[..., Path], tmp_path: Path
) -> None:
    config = configured()
    more = f"  later:\n    watch: {inbox}\n    output: {tmp_path}/more\n"
    config.write_text(config.read_text() + more)
    shown = why(picture(inbox / "a.png"), "--config", config).stdout
    assert shown.splitlines()[0] == "taken by rule photos"
    assert f"✗ later: rule photos has it already ({config}:5:3)" in shown


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


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfe\x00junk", "cannot be read as an image: not an image in any format"),
        (b"\x89PNG\r\n\x1a\n\0\0", "cannot be read as an image: the image ends too early"),
        (b"<html>", "is a web page, not an image"),
    ],
)
def test_bytes_that_no_condition_can_be_asked_of_are_no_image(
    content: bytes, told: str, inbox: Path, configured: Callable[..., Path]
) -> None:
    (inbox / "a.png").write_bytes(content)
    shown = why(inbox / "a.png", "--config", configured("when: {gray: true}")).stdout
    assert told in shown.splitlines()[0]


def test_a_large_file_has_its_conditions_left_to_the_daemon(
    inbox: Path, configured: Callable[..., Path]
) -> None:
    os.truncate(picture(inbox / "a.png"), 65 << 20)
    shown = why(inbox / "a.png", "--config", configured("when: {gray: true}")).stdout
    assert shown.splitlines()[0] == "it depends on the picture: photos"
    assert "as the file is large" in shown


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.nef", b"MM\0*\0\0\0\x08", "it is a camera's raw file: develop it"),
        ("a.pdf", b"%PDF-1.7\n", "it is a PDF document: export its pages"),
        ("a.svg", b"<?xml version='1.0'?>\n<svg/>", "it is an SVG drawing: export it as PNG"),
        ("a.txt", b"notes", "it is a text file"),
        ("a", b"\xff\xd8\xff\xe0", "it is a JPEG image: a rule takes it if its name ends in .jpg"),
    ],
)
def test_a_file_that_no_rule_takes_is_named_by_its_content(
    name: str, content: bytes, told: str, inbox: Path
) -> None:
    (inbox / name).write_bytes(content)
    shown = why(inbox / name).stdout
    assert shown.splitlines()[0] == "no rule takes it"
    assert told in shown
    assert any(told in line for line in answered(inbox / name)["told"])


def test_a_name_that_would_not_help_is_not_proposed(
    inbox: Path, configured: Callable[..., Path]
) -> None:
    path = picture(inbox / "a").rename(inbox / "a.jpg")
    shown = why(path, "--config", configured("include: ['*.tif']")).stdout
    assert "its name ends in" not in shown


@pytest.mark.usefixtures("inbox")
def test_a_file_in_no_inbox_can_be_upscaled_all_the_same(tmp_path: Path) -> None:
    shown = why(picture(tmp_path / "elsewhere" / "a.png")).stdout
    assert shown.splitlines()[0] == "no rule takes it: it lies in no inbox"
    assert "upscaled run FILE" in shown


@pytest.fixture
def daemon() -> Iterator[dict[str, Any]]:
    """What a daemon that listens answers to `status`; a test changes it."""
    live: dict[str, Any] = {"pid": 1, "rules": []}

    def answer(_request: Request, reply: "Future[dict[str, Any]]") -> None:
        reply.set_result(live)

    server = Server(find_dirs().socket, answer)
    server.start()
    yield live
    server.stop()


@pytest.mark.parametrize(
    ("watched_by", "age_s", "told"),
    [
        ("inotify", 1, "it was written 1 s ago, and is taken 2 s after the last write"),
        ("inotify", 60, "rule photos has not queued it yet (look now: upscaled scan)"),
        ("missing", 60, "the daemon does not see its inbox: its disk is not mounted"),
    ],
)
def test_the_daemon_is_asked_about_a_file_without_a_job(
    watched_by: str, age_s: float, told: str, inbox: Path, daemon: dict[str, Any]
) -> None:
    daemon["rules"] = [rule_as_told(inbox, watched_by)]
    path = picture(inbox / "a.png")
    written = time.time() - age_s
    os.utime(path, (written, written))
    assert answered(path)["told"] == [told]


def rule_as_told(folder: Path, watched_by: str = "inotify") -> dict[str, Any]:
    reason = "its disk is not mounted"
    inbox = {"folder": str(folder), "watched_by": watched_by, "reason": reason}
    return {"name": "photos", "inboxes": [inbox]}


def test_a_daemon_with_another_configuration_is_told_to_reload(
    inbox: Path, tmp_path: Path, daemon: dict[str, Any]
) -> None:
    path = picture(inbox / "a.png")
    for rules in ([], [rule_as_told(tmp_path)]):
        daemon["rules"] = rules
        (told,) = answered(path)["told"]
        assert "upscaled reload" in told


def test_a_daemon_that_is_still_starting_is_waited_for(inbox: Path, daemon: dict[str, Any]) -> None:
    daemon["opening"] = True
    assert answered(picture(inbox / "a.png"))["told"] == ["the daemon is still starting"]


def test_each_rule_that_takes_a_file_tells_of_its_own_job(
    inbox: Path, configured: Callable[..., Path], tmp_path: Path
) -> None:
    config = configured()
    more = f"  also:\n    watch: {inbox}\n    output: {tmp_path}/more\n    also: true\n"
    config.write_text(config.read_text() + more)
    path = picture(inbox / "a.png")
    store = Store.open(find_dirs().store)
    found = [Arrival(path, Fingerprint(1, 1, 1, 1))]
    store.admit("photos", inbox, found, RECIPE, DELIVERY, now=NOW)
    one = answered(path, "--config", config)
    store.admit("also", inbox, found, RECIPE, DELIVERY, now=NOW)
    store.close()
    both = answered(path, "--config", config)
    assert one["rules"] == both["rules"] == ["photos", "also"]
    assert [line.split(" (")[0] for line in one["told"]] == [
        "job 1 waits in the queue",
        "the daemon is not running",
    ]
    assert [line.split(" (")[0] for line in both["told"]] == [
        "job 2 waits in the queue",
        "job 1 waits in the queue",
    ]


def test_the_keys_of_the_answer_for_programs(inbox: Path) -> None:
    report = answered(picture(inbox / "a.png"))
    assert {key: type(value) for key, value in report.items()} == {
        "schema_version": int,
        "file": str,
        "exists": bool,
        "rule": str,
        "rules": list,
        "reason": str,
        "obstacle": type(None),
        "verdicts": list,
        "told": list,
        "jobs": list,
    }
    assert report["verdicts"][0].keys() == {"rule", "takes", "reason", "origin"}
    assert report["reason"].startswith("photos: takes it")


@pytest.mark.parametrize("name", ["caf\udce9.png", "a\nb.png", "\u202egnp.png"])
def test_any_name_is_answered_in_print(name: str, inbox: Path) -> None:
    path = inbox / name
    picture(inbox / "plain.png").rename(path)
    shown = why(path).stdout
    shown.encode("utf-8")
    assert "taken by rule photos" in shown
    assert "\u202e" not in shown
