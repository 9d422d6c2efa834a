"""`show`, `queue` and `failed` as they look: golden files at two widths."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from rich.cells import cell_len

from upscaled.cli.checks.finding import fail, ok, warn
from upscaled.cli.commands import doctor
from upscaled.cli.commands.status import status_command
from upscaled.cli.fast_status import PLAIN, is_plain
from upscaled.cli.screens import out
from upscaled.cli.screens.job_lines import job_lines
from upscaled.cli.screens.job_tables import failed_lines, queue_lines
from upscaled.cli.screens.layout import Line
from upscaled.service.status.report import job_report, jobs_report
from upscaled.store.views import HistoryView, JobView

GOLDEN = Path(__file__).parents[1] / "golden"
NOW = 1_800_000_000.0
INBOX = Path("/home/me/Upscale/inbox")
HOSTILE = "\x1b[31mred\n[bold]forged \u202egnp.exe caf\udce9.png"

DONE = JobView(
    id=17,
    rule="photos",
    state="done",
    file=INBOX / "holiday.jpg",
    output=Path("/home/me/Upscale/outbox/holiday_4x.jpg"),
    attempts=2,
    width_px=4096,
    height_px=3072,
    reason=None,
    hint=None,
    notes=("the colour profile was kept",),
    timings={"decode_s": 0.21, "encode_s": 1.4, "publish_s": 0.03, "upscale_s": 41.3},
    duplicate_of=None,
    queued_at=NOW - 90_000,
    claimed_at=NOW - 345,
    finished_at=NOW - 300,
    not_before=0.0,
    figures={"psnr_db": 32.554},
)
BROKEN = DONE._replace(
    id=31,
    state="failed",
    file=INBOX / "broken.png",
    output=None,
    width_px=None,
    height_px=None,
    attempts=3,
    reason="the file ends before its image does: 1,204 of 88,310 bytes (tried 3 times)",
    hint="copy it again from where it came from",
    notes=(),
    timings={},
    figures={},
)
WAITING = BROKEN._replace(
    id=32,
    state="waiting",
    file=INBOX / HOSTILE,
    attempts=1,
    finished_at=None,
    not_before=NOW + 30,
    hint=None,
)
RUNNING = WAITING._replace(id=33, state="running", file=INBOX / "a.webp", reason=None, not_before=0)
SAME = DONE._replace(id=40, duplicate_of=17, attempts=1, timings={}, figures={}, notes=())
PAST = (
    HistoryView(NOW - 500, "claimed", "attempt 1"),
    HistoryView(NOW - 480, "worker died", "killed by SIGKILL (the kernel's OOM killer uses it)"),
    HistoryView(NOW - 345, "claimed", "attempt 2"),
    HistoryView(NOW - 300, "done"),
)
TOLD = HistoryView(NOW - 300, "failed", "x" * 200)

Lay = Callable[[dict[str, Any], int, float], list[Line]]
SCREENS: dict[str, tuple[Lay, dict[str, Any]]] = {
    "show-done": (job_lines, job_report(DONE, PAST)),
    "show-failed": (job_lines, job_report(BROKEN, (*PAST[:3], TOLD))),
    "show-waiting": (job_lines, job_report(WAITING, PAST[:2])),
    "show-same": (job_lines, job_report(SAME, ())),
    "queue": (queue_lines, jobs_report((RUNNING, WAITING), 4001)),
    "queue-empty": (queue_lines, jobs_report((), 0)),
    "failed": (failed_lines, jobs_report((BROKEN,), 52)),
    "failed-none": (failed_lines, jobs_report((), 0)),
}


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_looks_as_it_did(
    name: str, width: int, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """After a change that is meant: `pytest tests/cli --golden`, and read the difference."""
    monkeypatch.setattr(out, "_shows_more_than_ascii", lambda: True)
    lay, report = SCREENS[name]
    rows = out.render(lay(report, width, NOW))
    assert all(cell_len(row) <= width for row in rows)
    assert all(row.isprintable() for row in rows)
    shown = "\n".join(rows) + "\n"
    golden = GOLDEN / f"{name}-{width}.txt"
    if request.config.getoption("--golden"):
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")


def test_doctor_looks_as_it_did(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    found = [
        ok("program", "upscaled 0.1.0 in /home/me/.local/share/pipx/venvs/upscaled"),
        warn("linger", "not enabled: it stops at the last logout", "loginctl enable-linger"),
        fail("inbox of photos", f"{INBOX / HOSTILE} is not there", "mkdir -p ~/Upscale/inbox"),
    ]
    monkeypatch.setattr(doctor, "examine", lambda _: found)
    context = click.Context(doctor.doctor_command)
    assert context.invoke(doctor.doctor_command, config=(), as_json=False) == 1
    shown, golden = capsys.readouterr().out, GOLDEN / "doctor.txt"
    if request.config.getoption("--golden"):
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")


# The short way past click


def test_the_short_way_of_status_takes_what_click_takes() -> None:
    flags = {
        option.opts[0]: option.name
        for option in status_command.params
        if isinstance(option, click.Option) and option.is_flag
    }
    assert flags == PLAIN | {"-w": "watch"}


@pytest.mark.parametrize(
    ("words", "plain"),
    [
        (["status"], True),
        (["status", "--json", "--all"], True),
        (["status", "--jsn"], False),
        (["status", "--config", "x.yml"], False),
        (["status", "--help"], False),
        (["status", "--watch"], False),
        (["queue"], False),
        ([], False),
    ],
)
def test_what_needs_no_parser(words: list[str], *, plain: bool) -> None:
    assert is_plain(words) == plain


def test_stages_of_a_workflow_are_told_and_not_added_once_more() -> None:
    stages = {"stage upscale": 30.0, "stage denoise": 11.0}
    job = DONE._replace(timings={**DONE.timings, **stages})
    said = " ".join(
        "".join(text for text, _ in each) for each in job_lines(job_report(job, PAST), 200, NOW)
    )
    assert "42.94 s: decode" in said
    assert "stage denoise 11.00 s" in said
