"""`upscaled status` as it looks: golden files at three widths, and rules that hold for any."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from upscaled.cli.screens import out
from upscaled.cli.screens.layout import Line, clip, clip_end, wrap
from upscaled.cli.screens.status_screen import MOST_LINES, status_lines
from upscaled.service.status.problem import Problem, ProblemCode
from upscaled.service.status.report import build_report
from upscaled.store.version import wal_reset_bug
from upscaled.store.views import JobView, Overview, PauseView, RuleCounts

GOLDEN = Path(__file__).parents[1] / "golden"
NOW = 1_800_000_000.0
LONG = "IMG_20240131_" + "very_long_" * 12 + "name_at_the_lake.jpeg"
WIDE = "夏休みの写真・京都の寺と庭園を歩いた日の長い名前の一枚目.png"
HOSTILE = "\x1b[31mred\x1b[0m\n[bold]forged[/] \u202egnp.exe caf\udce9.png"

JOB = JobView(
    id=17,
    rule="photos",
    state="done",
    file=Path("/home/me/Upscale/inbox/holiday.jpg"),
    output=Path("/home/me/Upscale/outbox/holiday_4x.jpg"),
    attempts=1,
    width_px=16_000,
    height_px=12_000,
    reason=None,
    hint=None,
    notes=(),
    timings={},
    duplicate_of=None,
    queued_at=NOW - 900,
    claimed_at=NOW - 600,
    finished_at=NOW - 300,
    not_before=0.0,
)


def job(job_id: int, name: str, **fields: Any) -> JobView:
    return JOB._replace(id=job_id, file=Path("/home/me/Upscale/inbox") / name, **fields)


def failed(job_id: int, name: str, reason: str) -> JobView:
    return job(job_id, name, state="failed", output=None, reason=reason, hint="save it anew")


def flight(job_id: int, stage: str = "upscale", done: int = 0, **more: Any) -> dict[str, Any]:
    live = {"id": job_id, "stage": stage, "done": done, "total": 100, "seconds": 75.0}
    return live | {"rate_mp_s": None, "eta_s": None} | more


def rule(name: str, watched_by: str = "inotify", *, enabled: bool = True) -> dict[str, Any]:
    inbox = {"folder": "/in", "watched_by": watched_by, "reason": None, "files": 3, "settling": 0}
    return {
        "name": name,
        "enabled": enabled,
        "model": "realesrgan-x4plus",
        "output": "/out",
        "inboxes": [inbox],
    }


WORKER: dict[str, Any] = {
    "device": "auto",
    "pid": 4243,
    "restart_in_s": None,
    "memory_bytes": 1_640_000_000,
    "free_bytes": 13_100_000_000,
    "tile_px": 256,
    "resident": {
        "model": "realesrgan-x4plus",
        "architecture": "ESRGAN",
        "scale": 4,
        "device": "cpu",
        "precision": "bf16",
        "exactness": "exact",
        "load_s": 2.0,
    },
    "fetching": None,
}


def live(**more: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "pid": 4242,
        "uptime_s": 11_000.0,
        "config_files": [],
        "notices": [],
        "workers": [WORKER],
        "rules": [rule("photos"), rule("scans", "polled")],
        "flights": [],
        "problems": [],
    }
    return known | more


def problem(number: int, hint: str | None = None) -> dict[str, str | None]:
    what = f"inbox /mnt/share{number}/pictures/incoming: the folder is not there (is it mounted?)"
    return {"what": what, "hint": hint}


COUNTS = {
    "photos": RuleCounts(waiting=12, running=2, done=340, done_day=41, failed=2),
    "scans": RuleCounts(done=3),
}
FAILED = (
    failed(31, "broken.png", "not an image: it begins with b'<html>'"),
    failed(30, LONG, "the file ends before its image does (tried 3 times)"),
)
RUNNING = (job(18, LONG, state="running"), job(19, WIDE, state="running"))
FLIGHTS = [
    flight(18, done=52, rate_mp_s=0.3125, eta_s=69.0),
    flight(19, "decode"),
]

REPORTS: dict[str, dict[str, Any]] = {
    "idle": build_report(
        Overview(rules={"photos": RuleCounts(done=9, done_day=1)}, recent=(JOB,)), live(), []
    ),
    "busy": build_report(
        Overview(rules=COUNTS, running=RUNNING, failed=FAILED, recent=(JOB,)),
        live(flights=FLIGHTS),
        [],
    ),
    "troubled": build_report(
        Overview(
            rules={f"rule{n}": COUNTS["photos"]._replace(failed=n) for n in range(12)},
            running=tuple(job(n, f"{n}.png", state="running") for n in range(1, 7)),
            failed=tuple(failed(n, f"{n}.png", "not an image") for n in range(50, 60)),
            delayed=(
                job(20, "late.png", reason="it may still be arriving", not_before=NOW + 42),
                job(21, HOSTILE, reason="the worker died: killed by SIGKILL"),
            ),
            pauses=(PauseView("rule1", "environment", "no space left on /mnt/large", 1.0, 2.0),),
        ),
        live(
            rules=[rule(f"rule{n}", enabled=n != 3) for n in range(12)],
            flights=[flight(n, done=10 * n, rate_mp_s=12.0, eta_s=4000.0) for n in range(1, 7)],
            problems=[problem(n) for n in range(3)],
        ),
        [],
    ),
    "stopped": build_report(
        Overview(
            rules=COUNTS,
            running=RUNNING,
            delayed=(job(20, "late.png", reason="it may still be arriving", not_before=NOW + 42),),
        ),
        None,
        [],
    ),
    "never-ran": build_report(Overview(), None, []),
    "starting": build_report(
        Overview(rules=COUNTS, running=(job(18, HOSTILE, state="running"),)),
        live(
            workers=[
                WORKER
                | {
                    "resident": None,
                    "fetching": {
                        "model": "realesrgan-x4plus",
                        "stage": "downloading",
                        "done_bytes": 21_000_000,
                        "total_bytes": 50_000_000,
                    },
                }
            ],
            flights=[flight(18, "load")],
        ),
        [],
    ),
    "other-version": build_report(
        Overview(),
        None,
        [
            Problem(
                ProblemCode.DAEMON_SILENT,
                "this daemon speaks version 7 of the control protocol, not 1",
                "restart the daemon after an upgrade: systemctl --user restart upscaled",
            ),
            Problem(
                ProblemCode.STORE_UNREADABLE,
                "the job database /home/me/.local/state/upscaled/upscaled.db has schema 9, "
                "this version knows 1",
                "upgrade upscaled",
            ),
        ],
        silent=True,
    ),
}
for _name, _report in REPORTS.items():
    _report["version"] = "0.1.0"
    _with_bug = _name in {"idle", "troubled", "other-version", "stopped"}
    _version = (3, 40, 1) if _with_bug else (3, 51, 3)
    _report["sqlite"]["warning"] = wal_reset_bug(_version)
    if "version" in _report["daemon"]:
        _report["daemon"]["version"] = "0.1.0"
    # The fixed daemon of these screens is of the version that is asked, whatever that is now.
    _report["problems"] = [p for p in _report["problems"] if "this command is" not in p["what"]]


def rows_of(lines: list[Line]) -> list[str]:
    return ["".join(text for text, _ in row).rstrip() for row in lines]


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", REPORTS)
def test_the_screen_is_as_it_was_agreed(
    name: str, width: int, request: pytest.FixtureRequest
) -> None:
    """After a change that is meant: `pytest tests/cli --golden`, and read the difference."""
    shown = "\n".join(rows_of(status_lines(REPORTS[name], width, NOW))) + "\n"
    golden = GOLDEN / f"status-{name}-{width}.txt"
    if request.config.getoption("--golden"):
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", REPORTS)
def test_no_line_is_longer_than_the_screen_and_there_are_twenty_at_most(name: str) -> None:
    for width in range(40, 133):
        rows = rows_of(status_lines(REPORTS[name], width, NOW))
        assert max(map(cell_len, rows)) <= width
        assert len(rows) <= MOST_LINES


@pytest.mark.parametrize("name", REPORTS)
def test_problems_come_first_each_with_what_mends_it(name: str) -> None:
    report = REPORTS[name]
    rows = rows_of(status_lines(report, 80, NOW))
    if report["problems"]:
        assert rows[0].startswith("! ")
        for mended in (p for p in report["problems"][:1] if p["hint"]):
            assert mended["hint"].split()[0] in "\n".join(rows)


def test_everything_is_told_when_everything_is_asked_for() -> None:
    report = REPORTS["troubled"]
    text = "\n".join(rows_of(status_lines(report, 80, NOW, everything=True)))
    for told in (*report["rules"], *report["failed"], *report["running"]):
        assert Path(told.get("file") or told["name"]).name in text
    for told in report["problems"]:
        assert told["what"].split("(")[0].split(":")[0] in text


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("name", REPORTS)
def test_a_warning_of_sqlite_is_one_line_while_the_daemon_runs(name: str, width: int) -> None:
    report = REPORTS[name]
    rows = rows_of(status_lines(report, width, NOW))
    told = [row for row in rows if row.startswith("SQLite 3.40.1 has the WAL-reset bug")]
    assert len(told) == bool(report["sqlite"]["warning"] and report["daemon"]["running"])


def test_what_a_daemon_of_an_older_version_does_not_say_is_left_out() -> None:
    report = copy.deepcopy(REPORTS["busy"])
    for worker in report["workers"]:
        for key in ("free_bytes", "tile_px", "restart_in_s"):
            worker.pop(key, None)
    for running in report["running"]:
        for key in ("rate_mp_s", "eta_s"):
            running.pop(key)
    rows = rows_of(status_lines(report, 80, NOW))
    assert any("52%" in row for row in rows)
    assert not any("free" in row or "MP/s" in row for row in rows)


def test_a_name_neither_colours_the_terminal_nor_forges_a_line() -> None:
    text = "\n".join(rows_of(status_lines(REPORTS["starting"], 120, NOW)))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert not re.search(r"^\[bold\]", text, re.MULTILINE)


# Where words are cut


@settings(deadline=None)
@given(st.text(), st.integers(min_value=0, max_value=60))
def test_a_clipped_text_fits_and_is_whole_where_it_can_be(text: str, most: int) -> None:
    for cut in (clip(text, most), clip_end(text, most)):
        assert cell_len(cut) <= most
        assert cut.isprintable()
    if text.isprintable() and cell_len(text) <= most:
        assert clip(text, most) == clip_end(text, most) == text


def test_a_name_is_cut_in_the_middle_and_keeps_its_end() -> None:
    cut = clip("holiday_at_the_lake_with_everybody_0001.jpeg", 20)
    assert (cut, cell_len(cut)) == ("holiday_at…0001.jpeg", 20)
    assert clip(WIDE, 20).endswith(".png")
    assert cell_len(clip(WIDE, 20)) <= 20


@settings(deadline=None)
@given(st.text(), st.integers(min_value=4, max_value=60), st.integers(min_value=1, max_value=4))
def test_a_wrapped_sentence_fits_the_width(text: str, width: int, most: int) -> None:
    rows = wrap(text, width, most)
    assert 1 <= len(rows) <= most
    assert all(cell_len(row) <= width for row in rows)


# What the terminal can show


def test_a_terminal_without_these_characters_gets_others(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = status_lines(REPORTS["busy"], 80, NOW)
    monkeypatch.setattr(out, "_shows_more_than_ascii", lambda: False)
    text = "\n".join(out.render(lines[:3]))
    assert "#####" in text
    assert "━" not in text


@pytest.mark.parametrize(
    ("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours_are_for_terminals_that_want_them(
    env: dict[str, str], *, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ({"TERM": "xterm"} | env).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(out, "is_terminal", lambda: True)
    rendered = "\n".join(out.render(status_lines(REPORTS["busy"], 80, NOW)))
    assert ("\x1b[" in rendered) == coloured
    plain = re.sub(r"\x1b\[[0-9;]*m", "", rendered)
    monkeypatch.setattr(out, "is_terminal", lambda: False)
    assert plain == "\n".join(out.render(status_lines(REPORTS["busy"], 80, NOW)))
