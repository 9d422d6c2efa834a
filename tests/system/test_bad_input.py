"""No image, not readable, nowhere to go: a clear line in `status`, and the daemon goes on."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from support.daemon_fixtures import Daemon, Wish, is_upscaled, look
from upscaled.job import JobState
from upscaled.store.views import open_views

READ_ONLY, WRITABLE, NO_RIGHTS, READABLE = 0o555, 0o755, 0o000, 0o644


@pytest.fixture(scope="module")
def wish() -> Wish:
    return Wish(
        rules={
            "photos": {},
            "shut": {"watch": "shut", "output": "closed"},
            "later": {"watch": "later", "output": "closed-too"},
        },
        bound_by_permissions=True,
    )


@pytest.fixture
def daemon(shared: Daemon) -> Daemon:
    return shared


def report(daemon: Daemon) -> dict[str, Any]:
    """What `status --json` prints."""
    ran = daemon.call("status", "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def wide_status(daemon: Daemon) -> str:
    """On a screen where nothing has to be cut or wrapped."""
    daemon.environ["COLUMNS"] = "1000"
    return daemon.call("status").stdout


def reason_of(daemon: Daemon, source: Path, where: str) -> str:
    """The reason in the JSON's list `where`; the same begins one line of the text."""
    (job,) = [job for job in report(daemon)[where] if job["file"] == str(source)]
    (line,) = [line for line in wide_status(daemon).splitlines() if f" {source.name}: " in line]
    # No line is longer than one can read: the end may be cut.
    assert str(job["reason"])[:60] in line
    return str(job["reason"])


def assert_goes_on(daemon: Daemon, name: str) -> None:
    source = daemon.drop(name)
    (job,) = daemon.wait_done(source)
    assert job.output is not None
    assert is_upscaled(job.output, source)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("text.png", b"Dear diary,\nthis is no photograph.\n", "not an image"),
        ("empty.jpg", b"", "is empty (0 bytes)"),
    ],
)
def test_a_file_that_is_no_image_fails_with_a_reason(
    daemon: Daemon, name: str, content: bytes, reason: str
) -> None:
    source = daemon.drop(name, content)
    before = look(source)

    daemon.wait_failed(source)

    assert reason in reason_of(daemon, source, "failed")
    assert_goes_on(daemon, f"after-{source.stem}.png")
    assert look(source) == before
    assert source.read_bytes() == content
    assert len(daemon.jobs(source)) == 1


def test_a_directory_named_like_an_image_fails_with_a_reason(daemon: Daemon) -> None:
    source = daemon.inbox / "folder.jpg"
    source.mkdir()

    daemon.wait_failed(source)

    assert reason_of(daemon, source, "failed") == "is a directory, not an image"
    assert_goes_on(daemon, "after-folder.png")
    assert list(source.iterdir()) == []
    assert len(daemon.jobs(source)) == 1


def test_a_named_pipe_fails_with_a_reason_and_is_never_read(daemon: Daemon) -> None:
    source = daemon.inbox / "pipe.png"
    os.mkfifo(source)
    before = look(source)

    daemon.wait_failed(source)

    assert reason_of(daemon, source, "failed") == "is a named pipe, not an image"
    assert_goes_on(daemon, "after-pipe.png")
    assert stat.S_ISFIFO(source.lstat().st_mode)
    assert look(source) == before
    assert len(daemon.jobs(source)) == 1


def test_a_file_that_cannot_be_read_waits_and_costs_no_attempt(daemon: Daemon) -> None:
    source = daemon.folder / "locked.png"
    daemon.drop("locked.png", inbox=daemon.folder).chmod(NO_RIGHTS)
    source = source.rename(daemon.inbox / "locked.png")
    before = look(source)

    daemon.wait_until(
        lambda: any(job["file"] == str(source) for job in daemon.status()["delayed"]),
        "it is put off",
    )

    assert reason_of(daemon, source, "delayed").startswith(
        "cannot read locked.png: Permission denied"
    )
    assert_goes_on(daemon, "after-locked.png")
    (job,) = daemon.jobs(source)
    assert (job.state, job.attempts) == (JobState.WAITING, 0)
    assert look(source) == before

    source.chmod(READABLE)

    (job,) = daemon.wait_done(source)
    assert job.attempts == 1
    assert job.output is not None
    assert is_upscaled(job.output, source)


def close(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(READ_ONLY)


def wait_for_pause(daemon: Daemon, rule: str) -> dict[str, Any]:
    def find() -> dict[str, Any] | None:
        rules = {found["name"]: found for found in daemon.status()["rules"]}
        found: dict[str, Any] = rules[rule]
        return found if found["state"] == "waiting" else None

    daemon.wait_until(find, f"the rule {rule} waits")
    found = find()
    assert found is not None
    return found


def test_a_rule_waits_while_its_output_folder_cannot_be_written(daemon: Daemon) -> None:
    folder = daemon.folder / "closed"
    close(folder)
    source = daemon.drop("patient.png", inbox=daemon.folder / "shut")

    rule = wait_for_pause(daemon, "shut")

    assert "Permission denied" in rule["reason"]
    assert str(folder) in rule["reason"]
    (problem,) = [p for p in report(daemon)["problems"] if p["what"].startswith("rule shut waits")]
    assert problem["what"] == f"rule shut waits: {rule['reason']}"
    assert problem["what"] in wide_status(daemon)
    assert daemon.call("status", "--check").returncode == 5
    (job,) = daemon.jobs(source)
    assert job.attempts == int(job.state == JobState.RUNNING), "no attempt is used"
    assert_goes_on(daemon, "meanwhile.png")

    folder.chmod(WRITABLE)

    (job,) = daemon.wait_done(source)
    assert job.attempts == 1
    assert daemon.results(folder) == ["patient_4x.png"]
    assert is_upscaled(folder / "patient_4x.png", source)
    daemon.wait_until(lambda: "rule shut" not in daemon.call("status").stdout, "it is told no more")


def test_a_rule_that_waits_goes_on_at_once_when_it_is_told_to(daemon: Daemon) -> None:
    folder = daemon.folder / "closed-too"
    close(folder)
    source = daemon.drop("urged.png", inbox=daemon.folder / "later")
    wait_for_pause(daemon, "later")

    with open_views(daemon.dirs.store) as views:
        (would_go_on_at,) = [p.until for p in views.overview(0).pauses if p.rule == "later"]

    folder.chmod(WRITABLE)
    ran = daemon.call("resume", "later")

    assert (ran.returncode, ran.stderr) == (0, "later: goes on\n")
    (job,) = daemon.wait_done(source)
    assert job.claimed_at is not None
    assert would_go_on_at is not None
    assert job.claimed_at < would_go_on_at
    assert job.attempts == 1
    assert is_upscaled(folder / "urged_4x.png", source)


def test_what_failed_is_tried_again_when_it_is_asked_for(daemon: Daemon) -> None:
    source = daemon.drop("hopeless.png", b"still no image")
    job = daemon.wait_failed(source)

    ran = daemon.call("retry", str(job.id))

    assert (ran.returncode, ran.stderr) == (0, "1 queued again\n")
    daemon.wait_until(lambda: daemon.events(job).count("failed") == 2, "it fails again")
    assert daemon.events(job) == ["claimed", "failed", "retried by hand", "claimed", "failed"]
    shown = daemon.call("show", str(job.id)).stdout
    assert str(source) in shown
    assert "retried by hand" in shown
