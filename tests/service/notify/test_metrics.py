"""The figures for Prometheus, and the file that they are in."""

import re
import threading
from pathlib import Path
from typing import Any

import pytest

from upscaled.service.notify.metrics import Tally, render, write
from upscaled.service.notify.notifications import LatestWinsTasks
from upscaled.store.views import Overview, PauseView, RuleCounts

ROOT = Path(__file__).parents[3]
LIVE: dict[str, Any] = {
    "version": "1.2",
    "problems": [{"what": "x", "hint": None}],
    "workers": [{"device": "cuda:0", "pid": 42, "memory_bytes": None}],
    "rules": [
        {
            "inboxes": [
                {"folder": '/in "a"\\\nb', "watched_by": "inotify", "files": 3, "settling": 1}
            ]
        }
    ],
}
OVERVIEW = Overview(
    rules={"photos": RuleCounts(waiting=2, done=5, failed=1)},
    pauses=(PauseView("photos", "user", "by hand", 1.0, None),),
)
SAMPLE = re.compile(r'upscaled_[a-z_]+(\{([a-z_]+="([^"\\\n]|\\["\\n])*",?)*\})? -?[0-9.e+]+')


def page() -> str:
    tally = Tally()
    tally.add("photos", "done", 1_000_000)
    tally.add("photos", "done", 500_000)
    tally.add("photos", "failed", 0)
    return render(LIVE, OVERVIEW, tally.ended(), 1_800_000_000.5)


def test_each_line_is_one_that_prometheus_reads() -> None:
    for line in page().splitlines():
        assert line.startswith(("# HELP upscaled_", "# TYPE upscaled_")) or SAMPLE.fullmatch(line)
    assert page().endswith("\n")


def test_the_figures_are_those_of_the_daemon() -> None:
    lines = page().splitlines()
    for expected in (
        'upscaled_info{version="1.2"} 1',
        "upscaled_start_time_seconds 1800000000.5",
        'upscaled_jobs{rule="photos",state="waiting"} 2',
        'upscaled_images_total{rule="photos",result="done"} 2',
        'upscaled_images_total{rule="photos",result="failed"} 1',
        "upscaled_output_pixels_total 1500000",
        'upscaled_paused{rule="photos",cause="user"} 1',
        "upscaled_problems 1",
        'upscaled_worker_up{device="cuda:0"} 1',
        'upscaled_worker_memory_bytes{device="cuda:0"} 0',
        'upscaled_inbox_files{folder="/in \\"a\\"\\\\\\nb",watched_by="inotify"} 3',
    ):
        assert expected in lines


def test_a_worker_that_retires_beside_the_next_of_its_device_makes_no_second_series() -> None:
    new = {"device": "cuda:0", "pid": None, "memory_bytes": 9}
    live = LIVE | {"workers": [*LIVE["workers"], new]}
    lines = render(live, OVERVIEW, Tally().ended(), 1.0).splitlines()
    series = [line.rpartition(" ")[0] for line in lines if not line.startswith("#")]
    assert len(series) == len(set(series))
    assert 'upscaled_worker_memory_bytes{device="cuda:0"} 9' in lines


def test_the_documentation_names_each_figure() -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    families = re.findall(r"# TYPE (\w+) (\w+)", page())
    assert families
    for name, kind in families:
        assert re.search(rf"^\| `{name}` \| {kind} \|", text, re.MULTILINE), name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "collected").mkdir()
    return tmp_path / "collected"


def test_the_file_is_replaced_whole_and_readable_by_the_collector(folder: Path) -> None:
    file = folder / "upscaled.prom"
    file.write_text("old")
    write(file, page())
    assert file.read_text() == page()
    assert file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in folder.iterdir()] == ["upscaled.prom"]


def test_a_file_that_cannot_be_written_leaves_nothing_behind(folder: Path) -> None:
    (folder / "taken").mkdir()
    for file in (folder / "gone" / "a.prom", folder / "taken"):
        with pytest.raises(OSError, match=r"taken|gone"):
            write(file, "x")
    assert [path.name for path in folder.iterdir()] == ["taken"]


def test_an_errand_that_fails_or_hangs_holds_up_nobody() -> None:
    tasks = LatestWinsTasks()
    hanging, begun, done = threading.Event(), threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        hanging.wait(30)

    tasks.submit("a", lambda: 1 / 0)  # type: ignore[arg-type,return-value]
    tasks.submit("b", hang)
    assert begun.wait(30)
    tasks.submit("a", lambda: pytest.fail("replaced"))
    tasks.submit("a", done.set)
    tasks.stop(0.05)
    hanging.set()
    assert done.wait(30)
    tasks.stop(30)
