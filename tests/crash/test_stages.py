"""Killed in each stage of a workflow, and while each of its files is written: all is made once.

The daemon is the real one, in its two processes; only the network is a twin (`held`, `twin`).
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from crash_daemon import CheapDaemon, write_image
from crash_stage import tree

from support.daemon_fixtures import is_gone

OWN = """
import os, pathlib, sys, time
wish = pathlib.Path(sys.argv[3])
if (wish / "shell.wanted").exists():
    (wish / "pid").write_text(str(os.getpid()))
    os.rename(wish / "shell.wanted", wish / "shell.held")
    time.sleep(1000)
pathlib.Path(sys.argv[2]).write_bytes(pathlib.Path(sys.argv[1]).read_bytes())
"""
STAGES = ["upscale", "denoise", "sharpen", "resize", "quality", "shell"]
FILES = ["upscaled.png", "sharpened.png", "result.json", "result.html", "result.png"]
Kill = Callable[[CheapDaemon], None]
POINTS = [*STAGES, *(f"{when} {name}" for name in FILES for when in ("before", "after"))]


@pytest.fixture
def hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the wishes lie; beside it the commands of stages put their files."""
    for name in ("hold", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setenv("HOLD", str(tmp_path / "hold"))
    return tmp_path / "hold"


FAILING = {
    "hangs": (["sleep", "1000"], "stage 'own': sleep was not done within 0.3 s"),
    "silent": (["true"], "stage 'own': true wrote no image"),
    "broken": (["sh", "-c", "echo no >&2; exit 3"], "stage 'own': sh ended with status 3: no"),
}


@pytest.fixture
def daemon(tmp_path: Path, home: Path, hold: Path) -> Iterator[CheapDaemon]:
    daemon = CheapDaemon(tmp_path / "daemon", site="held", home=home)
    daemon.config = daemon.folder / "upscaled.yml"
    configuration = {
        "allow_shell": True,
        "notifications": False,
        "components": {
            "tiny": {"task": "image-upscale", "model": str(daemon.model)},
            "quieter": {"task": "image-denoise"},
            "sharper": {"task": "image-sharpen"},
            "half": {"task": "image-resize", "scale": 0.5},
            "figures": {"task": "image-quality"},
            "own": {
                "task": "shell",
                "command": [sys.executable, "-c", OWN, "{input}", "{output}", str(hold)],
            },
        },
        "workflows": {
            "all": {
                "jobs": {
                    "upscale": {"component": "tiny"},
                    "denoise": {"component": "quieter", "input": "${upscale.output}"},
                    "sharpen": {"component": "sharper", "input": "${denoise.output}"},
                    "shell": {"component": "own", "input": "${sharpen.output}"},
                    "resize": {"component": "half", "input": "${shell.output}"},
                    "quality": {
                        "component": "figures",
                        "input": {"original": "${input}", "enhanced": "${resize.output}"},
                    },
                },
            }
        },
        "rules": {name: rule(daemon.folder / name) for name in ("rough", "calm")},
    }
    daemon.config.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    yield daemon
    daemon.end()
    daemon.show_log()


def rule(folder: Path) -> dict[str, object]:
    (folder / "inbox").mkdir(parents=True)
    return {
        "watch": str(folder / "inbox"),
        "workflow": "all",
        "settle": 0.1,
        # Where it is, each rule marks its results as its own.
        "output": {"folder": str(folder / "result"), "provenance": False},
        "outputs": {"upscale": str(folder / "upscaled"), "sharpen": str(folder / "sharpened")},
        "quality_check": {"sidecar": True, "contact_sheet": "html"},
        "on_success": {"move": str(folder / "archive")},
    }


def kill_worker(daemon: CheapDaemon) -> None:
    worker = daemon.worker
    assert worker is not None
    os.kill(worker, signal.SIGKILL)


def kill_supervisor(daemon: CheapDaemon) -> None:
    daemon.kill_supervisor()
    daemon.spawn()


WORKER, SUPERVISOR = kill_worker, kill_supervisor
SOME = [
    ("denoise", WORKER),
    ("sharpen", SUPERVISOR),
    ("shell", WORKER),
    ("quality", SUPERVISOR),
    ("before sharpened.png", WORKER),
]
ALL = [(point, kill) for kill in (WORKER, SUPERVISOR) for point in POINTS]


@pytest.mark.parametrize(
    "plan", [pytest.param(SOME, id="some"), pytest.param(ALL, id="all", marks=pytest.mark.soak)]
)
@pytest.mark.timeout(300)
def test_a_kill_in_any_stage_leaves_what_an_undisturbed_run_leaves(
    daemon: CheapDaemon, hold: Path, plan: list[tuple[str, Kill]]
) -> None:
    rough, calm = daemon.folder / "rough", daemon.folder / "calm"
    names = [f"{number} {point}.png" for number, (point, _) in enumerate(plan)]
    daemon.spawn()
    for number, (point, kill) in enumerate(plan):
        (hold / f"{point}.wanted").touch()
        source = write_image(rough / "inbox" / names[number], number)
        held = hold / f"{point}.held"
        daemon.wait_until(held.exists, f"it is at: {point}")

        kill(daemon)

        held.unlink()
        (job,) = daemon.wait_done(source)
        # Once the result stands, nothing is done again.
        assert (job.attempts, point) == (1 if point == "after result.png" else 2, point)
    assert is_gone(int((hold / "pid").read_text()))
    assert not list((hold.parent / "temporary").iterdir()), "files of the command are left"

    for number, name in enumerate(names):
        write_image(calm / "inbox" / name, number)
    daemon.wait_until(lambda: daemon.counts()["done"] == 2 * len(names), "all are done")
    daemon.wait_until(lambda: not list(daemon.folder.glob("*/inbox/*")), "the sources are moved")

    expected = tree(calm)
    assert len(expected) == len(names) * (1 + len(FILES))
    assert tree(rough) == expected


def test_a_stage_that_fails_is_named_and_its_rule_says_what_becomes_of_the_source(
    daemon: CheapDaemon, hold: Path
) -> None:
    assert daemon.config is not None
    told = yaml.safe_load(daemon.config.read_text(encoding="utf-8"))
    jobs = told["workflows"]["all"]["jobs"]
    for name, (command, _) in FAILING.items():
        own = {"task": "shell", "command": command, "timeout": 0.3}
        told["components"][name] = own
        told["workflows"][name] = {
            "jobs": {
                "upscale": jobs["upscale"],
                "own": {"component": name, "input": "${upscale.output}"},
            }
        }
        told["rules"][name] = rule(daemon.folder / name) | {
            "workflow": name,
            "outputs": {"upscale": str(daemon.folder / name / "upscaled")},
            "on_failure": {"move": str(daemon.folder / name / "failed")},
        }
    daemon.config.write_text(yaml.safe_dump(told), encoding="utf-8")
    daemon.start()
    for name, (_, reason) in FAILING.items():
        source = write_image(daemon.folder / name / "inbox" / "a.png", 1)

        job = daemon.wait_failed(source)

        assert (job.reason, job.attempts, job.rule) == (reason, 1, name)
        moved = daemon.folder / name / "failed" / "a.png"
        daemon.wait_until(moved.exists, "the source is moved")
        assert list(tree(daemon.folder / name)) == ["failed/a.png"]
    assert not list((hold.parent / "temporary").iterdir())
