"""Commands of the user that the daemon runs when something has ended."""

import json
from pathlib import Path

import pytest

from support.daemon_fixtures import MakeDaemon, crop, is_gone
from upscaled.job import JobState

TINY_PX = (16, 16)


@pytest.mark.usefixtures("animevideo_file")
def test_hooks_are_told_after_the_commit_and_end_with_the_daemon(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    seen = daemon.folder / "seen"
    seen.mkdir()

    def tell(event: str, then: str = "") -> list[str]:
        # The `$` twice: the configuration has variables of its own.
        file = f"{seen}/{event}-$$UPSCALED_JOB"
        return ["sh", "-c", f'cat > "{file}.new"; mv "{file}.new" "{file}"; {then}']

    stuck = daemon.folder / "stuck"
    daemon.configure({
        "photos": {
            "component": "quick",
            "hooks": {
                "on_done": tell("done", "exit 3"),
                "on_failed": tell("failed"),
                "on_idle": tell("idle", f"sleep 600 & echo $$! > {stuck}; wait"),
            },
        }
    })  # fmt: skip
    assert daemon.config is not None
    with daemon.config.open("a", encoding="utf-8") as config:
        config.write("components: {quick: {model: realesr-animevideov3}}\n")
    broken = daemon.drop("broken.png", b"no picture at all")
    good = daemon.drop("good.png", crop(3, 3, TINY_PX))
    daemon.start()

    daemon.wait_until(lambda: stuck.exists() and stuck.read_text().strip(), "the rule is idle")
    daemon.wait_until(lambda: len(list(seen.glob("*[0-9-]"))) == 3, "all three were told")

    told = {path.name.partition("-")[0]: json.loads(path.read_text()) for path in seen.iterdir()}
    done, failed = daemon.jobs(good)[0], daemon.jobs(broken)[0]
    assert (done.state, failed.state) == (JobState.DONE, JobState.FAILED)
    assert (told["done"]["job"], told["done"]["output"]) == (done.id, str(done.output))
    assert Path(told["done"]["output"]).exists()
    assert (told["failed"]["job"], told["failed"]["file"]) == (failed.id, str(broken))
    assert told["failed"]["reason"] == failed.reason
    assert (told["idle"]["done"], told["idle"]["failed"]) == (1, 1)
    trouble = "hook on_done of rule photos failed: sh ended with status 3"
    daemon.wait_until(
        lambda: trouble in [problem["what"] for problem in daemon.status()["problems"]],
        "the hook that failed stands in status",
    )

    assert daemon.call("down").returncode == 0
    assert daemon.wait_for_end() == 0
    assert is_gone(int(stuck.read_text()))
