"""Commands of the user that are told what ended: which, what they get, and that none stays."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from conftest import Eventually
from support.builders import done, order
from upscaled.config.settings import NO_HOOKS, Hooks
from upscaled.outcomes import Failed, Retry
from upscaled.service.notify import hook_runner
from upscaled.service.notify.hook_events import Call, Listeners
from upscaled.service.notify.hook_runner import HookRunner

LIMIT_S = 30.0
ORDER = order(Path("/inbox/a.png"), Path("/outbox"), job_id=7)
HOOKS = Hooks(on_done=("d",), on_failed=("f",), on_idle=("i",), timeout_s=5.0)


@pytest.fixture
def runner() -> Iterator[HookRunner]:
    made = HookRunner()
    yield made
    made.stop(LIMIT_S)


# Which, and when


def test_a_result_and_a_failure_are_told_with_what_there_is_to_say() -> None:
    (told,) = Listeners().ended(HOOKS, ORDER, done("a_4x.png", notes=("odd",)))
    assert (told.command, told.timeout_s, told.name) == (("d",), 5.0, "on_done of rule photos")
    assert json.loads(told.stdin()) == {
        "schema_version": 1, "event": "done", "rule": "photos", "job": 7, "file": "/inbox/a.png",
        "attempt": 1, "model": "nearest", "output": "/outbox/a_4x.png", "sha256": "f" * 64,
        "width_px": 400, "height_px": 300, "scale": 4, "content_sha256": "c" * 64,
        "duplicate_of": None, "notes": ["odd"], "figures": {},
        "timings": {"decode_s": 0.0, "upscale_s": 0.0, "encode_s": 0.0, "publish_s": 0.0},
    }  # fmt: skip
    (told,) = Listeners().ended(HOOKS, ORDER, Failed("no\0image", "look"))
    assert told.variables() == {
        "UPSCALED_EVENT": "failed",
        "UPSCALED_RULE": "photos",
        "UPSCALED_JOB": "7",
        "UPSCALED_FILE": "/inbox/a.png",
        "UPSCALED_OUTPUT": "",
        "UPSCALED_REASON": "no\\0image",
    }
    assert told.told["hint"] == "look"
    (told,) = Listeners().ended(HOOKS, ORDER, Retry("x" * 100_000))
    assert (told.event, len(told.told["reason"])) == ("failed", 2_000)


def test_where_nothing_is_wished_nothing_is_called() -> None:
    listeners = Listeners()
    assert list(listeners.ended(NO_HOOKS, ORDER, done())) == []
    assert list(listeners.idle({"photos": NO_HOOKS}, is_idle=lambda _: True)) == []


def test_idle_is_told_once_each_time_the_queue_has_come_to_its_end() -> None:
    listeners, hooks = Listeners(), {"photos": HOOKS}
    assert list(listeners.idle(hooks, is_idle=lambda _: True)) == []
    for outcome in (done(), done(), Failed("x")):
        list(listeners.ended(HOOKS, ORDER, outcome))
        assert list(listeners.idle(hooks, is_idle=lambda _: False)) == []
    (told,) = listeners.idle(hooks, is_idle=lambda _: True)
    assert (told.command, told.told["done"], told.told["failed"]) == (("i",), 2, 1)
    assert list(listeners.idle(hooks, is_idle=lambda _: True)) == []


def test_a_rule_that_is_gone_is_forgotten() -> None:
    listeners = Listeners()
    list(listeners.ended(HOOKS, ORDER, done()))
    assert list(listeners.idle({}, is_idle=lambda _: False)) == []
    assert list(listeners.idle({"photos": HOOKS}, is_idle=lambda _: True)) == []


# How it is run


def test_a_command_gets_the_variables_and_the_json(
    runner: HookRunner, tmp_path: Path, eventually: Eventually
) -> None:
    name = os.fsdecode(b"/inbox/a\xff b.png")
    seen = tmp_path / "seen"
    text = 'printf "%s\\n" "$UPSCALED_FILE" "$1" > "$0.new"; cat >> "$0.new"; mv "$0.new" "$0"'
    told = {"event": "done", "file": name}
    call = Call("photos", "done", ("sh", "-c", text, str(seen), "$HOME"), LIMIT_S, told)
    runner.submit(call)
    eventually(seen.exists, timeout_s=LIMIT_S)
    eventually(lambda: not runner.is_busy, timeout_s=LIMIT_S)
    file, argument, heard = seen.read_bytes().splitlines()
    assert (file, argument) == (b"/inbox/a\xff b.png", b"$HOME")
    assert json.loads(heard)["file"] == name
    assert runner.troubles == ()


@pytest.mark.parametrize(
    ("command", "timeout_s", "trouble"),
    [
        (("/nowhere/x",), 9, "failed: /nowhere/x: No such file or directory"),
        (("sh", "-c", "echo oh >&2; exit 3"), 9, "failed: sh ended with status 3: oh"),
        (("sh", "-c", "kill -9 $$"), 9, "failed: sh was killed by signal 9"),
        (("sleep", "60"), 0.1, "was not done within 0.1 s, and was killed"),
        (("yes",), 0.1, "was not done within 0.1 s, and was killed"),
    ],
    ids=["missing", "status", "signal", "silent and late", "loud and late"],
)
def test_a_failure_is_told_once_until_it_succeeds(
    runner: HookRunner,
    command: tuple[str, ...],
    timeout_s: float,
    trouble: str,
    eventually: Eventually,
) -> None:
    for _ in range(2):
        runner.submit(Call("photos", "done", command, timeout_s))
        eventually(lambda: not runner.is_busy, timeout_s=LIMIT_S)
        assert runner.troubles == (f"hook on_done of rule photos {trouble}",)
    runner.submit(Call("photos", "done", ("true",), LIMIT_S))
    eventually(lambda: runner.troubles == (), timeout_s=LIMIT_S)


def test_what_a_command_says_goes_to_the_log(
    runner: HookRunner, caplog: pytest.LogCaptureFixture, eventually: Eventually
) -> None:
    caplog.set_level("INFO")
    runner.submit(Call("photos", "idle", ("sh", "-c", "echo one; echo two >&2"), LIMIT_S))
    eventually(lambda: not runner.is_busy, timeout_s=LIMIT_S)
    said = [record.getMessage() for record in caplog.records]
    assert said == ["hook on_idle of rule photos: one", "hook on_idle of rule photos: two"]


def is_running(pid_file: Path) -> Callable[[], bool]:
    return lambda: pid_file.exists() and pid_file.read_text().strip() != ""


@pytest.mark.parametrize("how", ["stop", "end"])
def test_no_child_of_a_command_stays(
    tmp_path: Path, how: str, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    runner, pid_file = HookRunner(), tmp_path / "pid"
    wait = "wait" if how == "stop" else "true"
    runner.submit(
        Call("photos", "done", ("sh", "-c", f"sleep 600 & echo $! > {pid_file}; {wait}"), 600)
    )
    eventually(is_running(pid_file), timeout_s=LIMIT_S)
    if how == "end":
        eventually(lambda: not runner.is_busy, timeout_s=LIMIT_S)
    runner.submit(Call("photos", "done", ("sleep", "600"), 600))
    runner.submit(Call("photos", "done", ("sleep", "600"), 600))
    runner.submit(Call("photos", "done", ("sleep", "600"), 600))
    runner.stop(LIMIT_S)
    pid = int(pid_file.read_text())
    eventually(
        lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie",
        timeout_s=LIMIT_S,
    )
    assert not runner.is_busy
    assert "hooks are not run any more" in caplog.text


def test_a_queue_that_is_full_is_told_and_blocks_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hook_runner, "MOST_WAITING", 2)
    runner = HookRunner()
    for _ in range(6):
        runner.submit(Call("photos", "done", ("sleep", "600"), 600))
    (trouble,) = runner.troubles
    assert trouble == "hook on_done of rule photos was left out: 2 wait already"
    runner.keep(frozenset())
    assert runner.troubles == ()
    runner.stop(LIMIT_S)
