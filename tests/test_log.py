"""Lines for a terminal, for a file and for the journal."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upscaled import log
from upscaled.log import Destination, Event, LineFormatter

TOOL = Path(__file__).parent / "tools" / "with-user-manager"


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """The package's logger; what `set_up` changes for the whole process is put back."""
    root, ours = logging.getLogger(), logging.getLogger(log.NAME)
    before = root.handlers[:], root.level, ours.level
    yield ours
    logging.captureWarnings(capture=False)
    root.handlers[:], level, our_level = before
    root.setLevel(level)
    ours.setLevel(our_level)


def format_for(destination: Destination, message: str, level: int = logging.INFO) -> str:
    record = logging.LogRecord(log.NAME, level, "", 0, message, None, None)
    return LineFormatter(destination).format(record)


@given(st.text(alphabet=st.characters()))
def test_escaped_text_is_one_printable_line_that_any_encoding_can_take(text: str) -> None:
    assert log.escape(text).isprintable()
    assert text != log.escape(text) or text.isprintable()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"caf\xe9.png", "caf\\xe9.png"),
        ("café – ×4.png".encode(), "café – ×4.png"),
        (b"a\nERROR: forged.png", "a\\nERROR: forged.png"),
        (b"\x1b[31mred.png", "\\x1b[31mred.png"),
        ("\u202egnp.exe".encode(), "\\u202egnp.exe"),
    ],
)
def test_a_name_is_shown_without_its_power(name: bytes, shown: str) -> None:
    assert log.escape(os.fsdecode(name)) == shown


def test_a_terminal_gets_the_time_of_day() -> None:
    line = format_for(Destination.TERMINAL, "cat.png is done")
    assert line[8:] == " cat.png is done"
    assert line[2] == line[5] == ":"


def test_a_file_gets_the_date_and_the_zone() -> None:
    stamp, _, text = format_for(Destination.FILE, "disk full", logging.WARNING).partition(" ")
    assert "T" in stamp
    assert stamp[-5] in "+-"
    assert text == "warning: disk full"


@pytest.mark.parametrize(
    ("level", "line"),
    [
        (logging.DEBUG, "<7>x"),
        (logging.INFO, "<6>x"),
        (logging.WARNING, "<4>x"),
        (logging.ERROR, "<3>x"),
        (logging.CRITICAL, "<2>x"),
    ],
)
def test_the_journal_gets_a_level_and_no_time(level: int, line: str) -> None:
    assert format_for(Destination.JOURNAL, "x", level) == line


def test_each_line_of_a_traceback_has_the_level_of_its_record() -> None:
    def stumble() -> None:
        raise ValueError("caf\udce9\nforged")

    try:
        stumble()
    except ValueError:
        record = logging.LogRecord(log.NAME, logging.ERROR, "", 0, "bug", None, sys.exc_info())
    lines = LineFormatter(Destination.JOURNAL).format(record).splitlines()
    assert lines[0] == "<3>bug"
    assert len(lines) > 3
    assert all(line.startswith("<3>") and line.isprintable() for line in lines)


def test_the_journal_is_known_by_device_and_inode(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as stream, (tmp_path / "other").open("w") as other:
        status = os.fstat(stream.fileno())
        environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert log.find_destination(stream, environ) is Destination.JOURNAL
        assert log.find_destination(other, environ) is Destination.FILE
    assert log.find_destination(stream, environ) is Destination.FILE  # closed
    assert log.find_destination(None, environ) is Destination.FILE
    assert log.find_destination(io.StringIO(), environ) is Destination.FILE


def test_setting_up_twice_writes_each_line_once(logger: logging.Logger) -> None:
    first, second = io.StringIO(), io.StringIO()
    log.set_up(stream=first)
    log.set_up(stream=second)

    logger.info("one")
    logger.debug("too much")
    logging.getLogger("some.library").info("not ours")
    logging.getLogger("some.library").warning("worth knowing")

    assert first.getvalue() == ""
    lines = [line.partition(" ")[2] for line in second.getvalue().splitlines()]
    assert lines == ["one", "warning: worth knowing"]


def test_only_what_is_given_becomes_a_field() -> None:
    assert log.fields(Event.JOB_DONE, rule="photos", job=0, file=Path("/x")) == {
        "MESSAGE_ID": Event.JOB_DONE.value,
        "UPSCALED_RULE": "photos",
        "UPSCALED_JOB": "0",
        "UPSCALED_FILE": "/x",
    }
    assert log.fields() == {}


def test_each_event_has_an_id_of_its_own() -> None:
    # An alias would show up as a missing member.
    assert len(Event) == len(Event.__members__) == 10
    assert all(len(bytes.fromhex(event)) == 16 for event in Event)


SPEAKER = """
import logging
from pathlib import Path
from upscaled import log
log.set_up()
logging.getLogger("upscaled.test").warning(
    "caf\\udce9.png\\nis odd",
    extra=log.fields(log.Event.JOB_FAILED, rule="photos", job=7, file=Path("caf\\udce9.png")),
)
"""


@pytest.mark.parametrize("with_extra", [True, False], ids=["fields", "prefixes"])
def test_the_real_journal_keeps_what_was_said(with_extra: bool, tmp_path: Path) -> None:
    if with_extra:
        pytest.importorskip("systemd.journal", reason="the systemd extra is not installed")
    speaker = tmp_path / "speaker.py"
    block = "" if with_extra else "import sys; sys.modules['systemd'] = None\n"
    speaker.write_text(block + SPEAKER)
    command = f"""
        systemd-run --user --wait --quiet --unit=speaker {sys.executable} {speaker}
        journalctl --sync
        journalctl --output=json --all --quiet
    """
    ran = subprocess.run(
        [TOOL, "sh", "-c", command], capture_output=True, text=True, timeout=60, check=False
    )
    if ran.returncode == 75:
        pytest.skip(ran.stderr.strip())

    entry = next(
        said
        for said in map(json.loads, ran.stdout.splitlines())
        if "is odd" in str(said.get("MESSAGE"))
    )
    assert entry["MESSAGE"] == "caf\\xe9.png\\nis odd"
    assert entry["PRIORITY"] == "4"
    if with_extra:
        assert entry["UPSCALED_RULE"] == "photos"
        assert entry["UPSCALED_JOB"] == "7"
        assert bytes(entry["UPSCALED_FILE"]) == b"caf\xe9.png"
        assert entry["MESSAGE_ID"] == Event.JOB_FAILED.value
