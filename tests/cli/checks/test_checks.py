"""What each check of `upscaled doctor` makes of what it finds."""

import http.server
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from upscaled.cli.checks import (
    daemon_service,
    engine,
    finding,
    folders,
    inotify,
    program,
    rule_models,
)
from upscaled.cli.checks.finding import Finding, Level
from upscaled.cli.unit import unit_path, unit_text
from upscaled.config.load import default_settings
from upscaled.config.settings import Settings
from upscaled.dirs import find_dirs
from upscaled.errors import ExitCode

HUB_MODEL = "huggingface:someone/something:RealESRGAN_x2.pth"


@pytest.fixture
def settings(home: Path) -> Settings:
    return default_settings(home)


def levels(found: Iterator[Finding] | list[Finding]) -> dict[str, Level]:
    """The worst of each topic."""
    order = list(Level)
    worst: dict[str, Level] = {}
    for one in found:
        worst[one.topic] = max(worst.get(one.topic, Level.OK), one.level, key=order.index)
    return worst


@pytest.mark.parametrize(
    ("which", "code"), [("", ExitCode.OK), ("w", ExitCode.DEGRADED), ("wf", ExitCode.ERROR)]
)
def test_the_worst_finding_decides(which: str, code: ExitCode) -> None:
    found = [finding.ok("a", "b")]
    found += [finding.warn("a", "b", "c")] if "w" in which else []
    found += [finding.fail("a", "b", "c")] if "f" in which else []
    assert finding.exit_code(found) is code


# The device


def test_a_probe_that_crashes_says_how_far_it_came() -> None:
    out = '{"step": "torch", "version": "2.6", "driver": "550.1", "cuda": null}\nnoise\n{"step"'
    found = list(engine.read(out, "it ended with -11: Segmentation fault", has_model=True))
    assert levels(found) == {"torch": "ok", "driver": "ok", "engine": "fail"}
    assert "after torch" in found[-1].what
    assert "-11" in found[-1].what
    assert found[-1].remedy


@pytest.mark.parametrize("error", ["NaN", "0.3"])
def test_a_device_that_calculates_wrongly_fails(error: str) -> None:
    for step in ("arithmetic", "inference"):
        (found,) = engine.read(f'{{"step": "{step}", "error": {error}}}', None, has_model=True)
        assert (found.topic, found.level) == (step, Level.FAIL)


def test_a_child_that_does_not_end_or_dies_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr("upscaled.cli.checks.engine.sys.executable", "/bin/false")
    (dead,) = engine.Probe("auto", "auto", None).findings()
    assert (dead.topic, dead.level) == ("engine", Level.FAIL)
    assert "ended with 1" in dead.what

    monkeypatch.setattr("upscaled.cli.checks.engine.sys.executable", str(program))
    (hanging,) = engine.Probe("auto", "auto", None).findings(timeout_s=0.1)
    assert "did not end" in hanging.what


# Folders


def test_the_defaults_of_a_new_home_are_well(settings: Settings) -> None:
    assert set(levels(folders.check_folders(settings, find_dirs())).values()) == {Level.OK}


def test_a_configured_inbox_that_is_not_there_fails_with_its_command(
    settings: Settings, home: Path
) -> None:
    configured = replace(settings, source_files=(home / "a.yml",))
    found = list(folders.check_folders(configured, find_dirs()))
    (bad,) = [one for one in found if one.level is Level.FAIL]
    assert bad.remedy == f"mkdir -p '{home}/Upscale/inbox'"


def test_a_file_where_a_folder_should_be_fails(settings: Settings, home: Path) -> None:
    (home / "Upscale").mkdir()
    (home / "Upscale" / "outbox").write_text("")
    found = levels(folders.check_folders(settings, find_dirs()))
    assert found["output of photos"] is Level.FAIL


@pytest.mark.skipif(os.geteuid() == 0, reason="root passes over permissions")
def test_a_folder_that_cannot_be_written_fails(settings: Settings, home: Path) -> None:
    (home / "Upscale").mkdir(mode=0o500)
    found = levels(folders.check_folders(settings, find_dirs()))
    assert found["output of photos"] is Level.FAIL


def test_a_disk_without_room_fails(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs("/")
    for left, level in ((10_000_000, Level.FAIL), (1_000_000_000, Level.WARN)):
        full = os.statvfs_result((4096, 4096, 10**9, 0, left // 4096, *tuple(real)[5:]))
        monkeypatch.setattr(os, "statvfs", lambda _path, full=full: full)
        assert levels(folders.check_folders(settings, find_dirs()))["state"] is level


# inotify


def test_watches_are_compared_with_the_folders_there_are(settings: Settings, home: Path) -> None:
    inbox = home / "Upscale" / "inbox"
    for name in ("a/b", "c"):
        (inbox / name).mkdir(parents=True)
    found = list(inotify.check_inotify(settings))
    assert found[0].what.startswith("4 of ")
    assert inotify.count_folders(inbox, deep=False, deadline=0) == (1, True)
    assert inotify.count_folders(inbox, deep=True, deadline=0) == (1, False)


def test_too_few_watches_fail_with_the_sysctl() -> None:
    limit = (100, "fs.inotify.max_user_watches")
    assert inotify.judge_watches(50, limit).level is Level.OK
    assert inotify.judge_watches(51, limit).level is Level.WARN
    failed = inotify.judge_watches(101, limit)
    assert (failed.level, failed.remedy) == (
        Level.FAIL,
        "sudo sysctl fs.inotify.max_user_watches=524288",
    )
    assert inotify.judge_instances(3, (4, "fs.inotify.max_user_instances")).level is Level.WARN


# The unit


def test_the_unit_of_a_moved_installation_is_noticed() -> None:
    unit = unit_path(None)
    unit.parent.mkdir(parents=True)
    text = unit_text((), None)
    unit.write_text(text)
    assert levels(daemon_service.check_unit({}))["unit"] is Level.OK
    unit.write_text(text.replace("KillMode=mixed\n", ""))
    assert levels(daemon_service.check_unit({}))["unit"] is Level.WARN
    unit.write_text('[Service]\nExecStart="/old venv/bin/upscaled" up\n')
    (moved, *_) = daemon_service.check_unit({})
    assert (moved.level, moved.remedy) == (Level.FAIL, "upscaled service install")
    assert "/old venv/bin/upscaled" in moved.what
    for broken in ("", "ExecStart=", 'ExecStart="a'):
        unit.write_text(broken)
        assert levels(daemon_service.check_unit({}))["unit"] is Level.FAIL


def test_a_unit_with_other_folders_than_the_shell_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = unit_path(None)
    unit.parent.mkdir(parents=True)
    unit.write_text(unit_text((), None))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
    (found, *_) = daemon_service.check_unit({})
    assert (found.level, found.remedy) == (Level.WARN, "upscaled service install")
    assert "another XDG_STATE_HOME" in found.what


def test_what_systemd_says_of_the_unit_is_passed_on() -> None:
    unit = unit_path(None)
    unit.parent.mkdir(parents=True)
    unit.write_text(unit_text((), None))
    properties = {"UnitFileState": "disabled", "ActiveState": "failed", "Result": "watchdog"}
    found = list(daemon_service.check_unit(properties))
    assert levels(found)["unit"] is Level.FAIL
    assert any("(watchdog)" in one.what for one in found)
    assert any("not enabled" in one.what for one in found)


def test_a_machine_without_systemd_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    (found,) = daemon_service.check_systemd()
    assert (found.topic, found.level) == ("systemd", Level.OK)


# Models and the hub


def of_the_hub(settings: Settings) -> Settings:
    rule = settings.rules[0]
    return replace(settings, rules=(replace(rule, recipe=replace(rule.recipe, model=HUB_MODEL)),))


def test_a_model_that_is_not_here_and_one_that_does_not_exist(settings: Settings) -> None:
    (missing,) = rule_models.check_models(settings, find_dirs())
    assert (missing.level, missing.remedy) == (
        Level.WARN,
        "upscaled models pull 'realesrgan-x4plus'",
    )
    rule = settings.rules[0]
    odd = replace(rule, recipe=replace(rule.recipe, model="realesrgan-x5plus"))
    (unknown,) = rule_models.check_models(replace(settings, rules=(odd,)), find_dirs())
    assert unknown.level is Level.FAIL


def test_offline_mode_is_respected(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    (unneeded,) = rule_models.check_hub(settings, find_dirs())
    (needed,) = rule_models.check_hub(of_the_hub(settings), find_dirs())
    assert (unneeded.level, needed.level) == (Level.OK, Level.FAIL)
    assert "not asked" in unneeded.what
    assert needed.remedy == "unset HF_HUB_OFFLINE"


def test_a_hub_that_is_not_reached_matters_where_it_is_needed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    for endpoint in ("http://127.0.0.1:1", "file:///etc/passwd", "nonsense", "http://[", ""):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        (unneeded,) = rule_models.check_hub(settings, find_dirs())
        (needed,) = rule_models.check_hub(of_the_hub(settings), find_dirs())
        assert (unneeded.level, needed.level) == (Level.OK, Level.FAIL), endpoint


def test_a_hub_that_answers_is_reached(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Quiet(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}/")
        (found,) = rule_models.check_hub(of_the_hub(settings), find_dirs())
        server.shutdown()
        thread.join()
    assert (found.level, "answers" in found.what) == (Level.OK, True)


# The program and the clock


def test_a_clock_that_was_set_back_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    assert levels(program.check_clock(now)) == {"clock": "ok"}
    assert levels(program.check_clock(now + 3600)) == {"clock": "warn"}
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    assert levels(program.check_clock(None)) == {"clock": "warn"}


def test_the_program_names_its_python() -> None:
    found = list(program.check_program())
    assert any(sys.executable in one.what for one in found)
    assert set(levels(found).values()) == {Level.OK}
