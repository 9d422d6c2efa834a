"""The daemon under a real `systemd --user`: installed, started, asked, hurt, stopped, removed."""

import importlib.util
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from PIL import Image

from support.daemon_fixtures import LARGE_PX, SETTLE_S, crop, is_upscaled
from support.user_manager import HOME_OF_PERSON, UserManager
from upscaled.dirs import find_dirs
from upscaled.log import Event
from upscaled.store.views import open_views


def has_extra() -> bool:
    """Whether systemd-python is installed; a folder of the checkout has its name."""
    found = importlib.util.find_spec("systemd")
    return found is not None and importlib.util.find_spec("systemd.journal") is not None


HARDENING = Path(__file__).parents[2] / "systemd" / "upscaled.service.d" / "hardening.conf"

IMPATIENT = """
[Unit]
StartLimitBurst=100
[Service]
WatchdogSec=6
RestartSec=100ms
"""


@pytest.fixture
def manager(tmp_path: Path, home: Path) -> Iterator[UserManager]:  # noqa: ARG001 (it comes first)
    manager = UserManager(tmp_path)
    yield manager
    manager.stop()


@pytest.fixture
def config(home: Path) -> Path:
    """One rule, `photos`, from `~/in` to `~/out`."""
    for name in ("in", "out", "in2"):
        (home / name).mkdir()
    rule = {"watch": "~/in", "output": "~/out", "settle": SETTLE_S}
    file = home / "my rules.yml"
    document = {"metrics_file": "~/upscaled.prom", "rules": {"photos": rule}}
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


def drop(image: Image.Image, target: Path) -> Path:
    partial = target.with_name(f".{target.name}.part")
    image.save(partial, format="PNG")
    return partial.rename(target)


def status_text(manager: UserManager) -> str:
    return manager.show("StatusText")["StatusText"]


@pytest.mark.usefixtures("models_at_home")
def test_the_service_lives_from_installation_to_removal(
    manager: UserManager, home: Path, config: Path
) -> None:
    source = drop(crop(0, 0), home / "in" / "one.png")

    said = manager.check(f"upscaled service install --config '{config}'", timeout_s=90)

    assert "Installed" in said
    assert "active (running): " in said
    assert "enable-linger" in said
    manager.check("systemd-analyze --user --man=no verify upscaled.service")
    manager.until((home / "out" / "one_4x.png").exists, "the file is done")
    assert is_upscaled(home / "out" / "one_4x.png", source)
    assert "upscaled_worker_up" in (home / "upscaled.prom").read_text()
    manager.until(
        lambda: (
            'Status: "Watching 1 inbox · realesrgan-x4plus on'
            in manager.run("systemctl --user status upscaled.service").stdout
        ),
        "the status says what it does",
    )
    report = json.loads(manager.check("upscaled service status --json"))
    assert (report["installed"], report["current"]) == (True, True)
    assert report["properties"]["ActiveState"] == "active"
    assert report["properties"]["UnitFileState"] == "enabled"
    pid = manager.show("MainPID")

    ran = manager.run(f"HF_HUB_OFFLINE=1 upscaled doctor --json --config '{config}'", timeout_s=150)
    found = json.loads(ran.stdout)["findings"]
    assert {one["topic"] for one in found if one["level"] != "ok"} <= {"linger"}, found
    assert ran.returncode in {0, 5}
    told = {one["topic"]: one["what"] for one in found}
    assert "running (pid " in told["daemon"]
    assert "is current" in told["unit"]
    assert "a test picture was upscaled" in told["inference"]

    assert "Installed" in manager.check(f"upscaled service install --config '{config}'")
    assert manager.show("MainPID") == pid, "nothing changed, so nothing was restarted"

    manager.check("upscaled service uninstall")
    assert manager.show("ActiveState", "LoadState") == {
        "ActiveState": "inactive",
        "LoadState": "not-found",
    }
    assert not Path(report["unit"]).exists()


@pytest.mark.usefixtures("models_at_home")
def test_what_is_done_to_it_does_not_end_it(manager: UserManager, home: Path, config: Path) -> None:
    drop_in = home / ".config" / "systemd" / "user" / "upscaled.service.d" / "test.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text(IMPATIENT)
    manager.check(f"upscaled service install --config '{config}'", timeout_s=90)
    pid = manager.show("MainPID")["MainPID"]

    # A broken configuration is refused, and the status says so; a good one is taken.
    good = config.read_text()
    config.write_text("rulez: {}\n")
    manager.check("systemctl --user reload upscaled.service")
    manager.until(lambda: "is refused" in status_text(manager), "the refusal is told")
    config.write_text(good.replace("~/in\n", "[~/in, ~/in2]\n"))
    manager.check("systemctl --user reload upscaled.service")
    manager.until(lambda: "Watching 2 inboxes" in status_text(manager), "the reload is told")
    assert manager.show("MainPID", "NRestarts") == {"MainPID": pid, "NRestarts": "0"}

    # Stopped by force it feeds the watchdog no more, is replaced, and the queue goes on.
    manager.check("kill -STOP $(systemctl --user show -p MainPID --value upscaled.service)")
    bad = home / "in2" / "bad.png"
    bad.write_bytes(b"no image")
    source = drop(crop(9, 9), home / "in2" / "late.png")
    manager.until(lambda: manager.show("NRestarts") == {"NRestarts": "1"}, "a restart")
    manager.until((home / "out" / "late_4x.png").exists, "the file is done")
    assert is_upscaled(home / "out" / "late_4x.png", source)

    _check_journal(manager, bad)
    _check_notifications(manager)

    # In the middle of an image it stops within five seconds, and the attempt is given back.
    large = drop(crop(0, 0, LARGE_PX), home / "in" / "large.png")
    manager.until(lambda: f"Upscaling {large.name} " in status_text(manager), "it is at work")
    took = manager.check("date +%s.%N; systemctl --user stop upscaled.service; date +%s.%N")
    began, ended = map(float, took.split())
    assert ended - began < 5
    assert manager.show("Result", "StatusText") == {
        "Result": "success",
        "StatusText": "Stopping at the end of the tile",
    }
    with open_views(find_dirs().store) as views:
        jobs = [job for job in map(views.job, range(1, 9)) if job and job.file == large]
    assert [(job.state, job.attempts) for job in jobs] == [("waiting", 0)]


def _check_journal(manager: UserManager, bad: Path) -> None:
    """With the `systemd` extra each line has fields; without it at least its level.

    Not with `--user`: journald keeps no journal of its own for root, as whom this test runs.
    `upscaled logs` finds it nevertheless.
    """
    assert f"failed: {bad}" in manager.check("upscaled logs")
    if not has_extra():
        failed = manager.check("journalctl --no-pager -o json -p err -t upscaled")
        assert f"failed: {bad}" in failed
        return
    asked = f"UPSCALED_RULE=photos UPSCALED_FILE={bad} MESSAGE_ID={Event.JOB_FAILED}"
    found = manager.check(f"journalctl --no-pager -o json {asked}").splitlines()
    assert [json.loads(line)["PRIORITY"] for line in found] == ["3"]


def test_a_person_finds_the_lines_in_the_own_journal(home: Path, animevideo_file: Path) -> None:
    """As `journalctl --user` is typed: by somebody who is not root."""
    kept = home / ".local" / "share" / "upscaled" / "models" / "catalogue"
    kept.mkdir(parents=True)
    shutil.copyfile(animevideo_file, kept / animevideo_file.name)
    (home / "in").mkdir()
    (home / "in" / "bad.png").write_bytes(b"no image")
    (home / "mine.yml").write_text(
        "components: {fast: {model: realesr-animevideov3}}\n"
        "rules: {photos: {watch: ~/in, output: ~/out, component: fast, settle: 0s}}\n"
    )
    manager = UserManager(home, is_home=True)
    try:
        manager.check("upscaled service install --config ~/mine.yml", timeout_s=90)
        bad = f"failed: {HOME_OF_PERSON}/in/bad.png"
        mine = "journalctl --user --no-pager -o cat"
        asked = "UPSCALED_RULE=photos" if has_extra() else "-u upscaled.service -p err"
        manager.until(lambda: bad in manager.run(f"{mine} {asked}").stdout, "the failure is told")

        assert "watching" in manager.check(f"{mine} -u upscaled.service")
        assert bad in manager.check("upscaled logs --lines 50")
        # It goes on until it is told to stop, and what is added comes.
        followed = manager.run("upscaled scan; timeout 3 upscaled logs --follow --lines 50")
        assert (followed.returncode, bad in followed.stdout) == (124, True), followed.stderr
        rule = manager.run("upscaled logs --rule photos")
        assert (bad in rule.stdout) == has_extra(), rule.stderr
        manager.check("systemctl --user stop upscaled.service")
        assert bad in manager.check("upscaled logs"), "also of one that has ended"
    finally:
        manager.stop()


def _check_notifications(manager: UserManager) -> None:
    """RELOADING=1 and READY=1 are heard: nobody but the daemon tells systemd of this reload."""
    changed = ("StateChangeTimestampMonotonic",)
    before = manager.show(*changed)
    manager.check("kill -HUP $(systemctl --user show -p MainPID --value upscaled.service)")
    manager.until(lambda: manager.show(*changed) != before, "systemd is told of the reload")
    running = {"ActiveState": "active", "SubState": "running"}
    manager.until(lambda: manager.show(*running) == running, "systemd is told of its end")


def test_the_optional_hardening_keeps_the_service_from_keys_and_system_files(
    manager: UserManager, home: Path
) -> None:
    unit = Path(manager.check("upscaled service unit").strip())
    drop_in = home / ".config" / "systemd" / "user" / f"{unit.name}.d" / "hardening.conf"
    drop_in.parent.mkdir(parents=True)
    # The home of a test lies in /tmp.
    drop_in.write_text(HARDENING.read_text().replace("PrivateTmp=yes\n", ""))
    unit.parent.mkdir(parents=True)
    unit.write_text(manager.check("upscaled service unit --print"))
    manager.check("systemctl --user daemon-reload")
    assert manager.check(f"systemd-analyze --user --man=no verify {unit.name} 2>&1") == ""
    assert manager.show("DropInPaths") == {"DropInPaths": os.fspath(drop_in)}

    # The same options around a program that tells what it can reach.
    (home / ".ssh").mkdir()
    (home / ".ssh" / "id").write_text("secret")
    tries = home / "tries.sh"
    tries.write_text(
        "cat ~/.ssh/id 2>/dev/null && echo read a key\n"
        "touch /usr/lib/upscaled-was-here 2>/dev/null && echo wrote to /usr\n"
        "touch ~/written && echo wrote to the home\n"
    )
    (drop_in.parent / "tries.conf").write_text(
        f"[Service]\nType=oneshot\nRestart=no\nExecStart=\n"
        f"ExecStart=/bin/sh -c 'sh {tries} >{home}/told'\n"
    )
    manager.check("systemctl --user daemon-reload")
    manager.run("systemctl --user start upscaled.service")
    if manager.show("ExecMainStatus") == {"ExecMainStatus": "226"}:
        pytest.skip("226/NAMESPACE: a user manager may not make mount namespaces here")
    assert (home / "told").read_text() == "wrote to the home\n"


def test_a_broken_configuration_is_no_reason_to_start_again_and_again(
    manager: UserManager, home: Path
) -> None:
    (home / "broken.yml").write_text("rulez: {}\n")

    ran = manager.run(f"upscaled service install --config '{home}/broken.yml'")

    assert ran.returncode == 1
    assert "did not start" in ran.stderr
    assert "upscaled doctor" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert manager.show("NRestarts", "ExecMainStatus", "ActiveState") == {
        "NRestarts": "0",
        "ExecMainStatus": "78",
        "ActiveState": "failed",
    }


@pytest.mark.usefixtures("models_at_home")
def test_the_service_keeps_its_queue_where_the_commands_of_the_shell_look(
    manager: UserManager, home: Path, config: Path
) -> None:
    elsewhere = "XDG_STATE_HOME='{}'".format(home / "my 100% $tate")
    said = manager.check(
        f"export {elsewhere}; upscaled service install --config '{config}'", timeout_s=90
    )
    assert "The service gets XDG_STATE_HOME=" in said
    assert (home / "my 100% $tate" / "upscaled" / "upscaled.db").exists()
    told = manager.check(f"export {elsewhere}; upscaled service status; upscaled status")
    assert "another" not in told
    manager.check(f"export {elsewhere}; upscaled queue")
    assert "another XDG_STATE_HOME" in manager.check("upscaled service status")
    report = json.loads(manager.check("upscaled service status --json"))
    assert (report["current"], report["environment_differs"]) == (False, ["XDG_STATE_HOME"])


def test_a_command_that_was_moved_away_is_noticed(manager: UserManager) -> None:
    unit = Path(manager.check("upscaled service unit").strip())
    unit.parent.mkdir(parents=True)
    text = manager.check("upscaled service unit --print")
    unit.write_text(text.replace("ExecStart=", "ExecStart=/gone"))
    manager.check("systemctl --user daemon-reload")

    assert "other installation or version: /gone" in manager.check("upscaled service status")
    assert json.loads(manager.check("upscaled service status --json"))["current"] is False
    assert os.fspath(unit) in manager.check("upscaled service status")
