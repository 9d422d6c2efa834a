"""What a person does with the queue of a running daemon."""

import json
import os
import pty
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

from support.daemon_fixtures import UPSCALED, Daemon, crop, is_upscaled, look


def listed(daemon: Daemon, *words: str) -> dict[str, Any]:
    ran = daemon.call(*words, "--json")
    assert ran.returncode == 0, ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout)
    assert report["schema_version"] == 1
    return report


def test_files_are_added_where_they_lie_and_put_in_order(daemon: Daemon, tmp_path: Path) -> None:
    daemon.configure({"photos": {"on_success": "delete"}})
    assert daemon.call("reload").returncode == 0
    assert daemon.call("pause").returncode == 0
    album = tmp_path / "album"
    album.mkdir()
    names = [os.fsdecode(b"caf\xe9.png"), "two.png", "three.png"]
    for number, name in enumerate(names):
        crop(31 * number, 7).save(album / name)
    before = {path: look(path) for path in album.iterdir()}

    ran = daemon.call("add", *(str(album / name) for name in names))
    assert (ran.returncode, len(ran.stdout.splitlines())) == (0, 3), ran.stderr
    again = daemon.call("add", str(album / names[0]))
    assert again.stdout.split()[0] == ran.stdout.split()[0], "one live job for each file"
    first, second, third = (int(line.split()[0]) for line in ran.stdout.splitlines())
    assert [job["id"] for job in listed(daemon, "queue")["jobs"]] == [first, second, third]

    assert daemon.call("bump", str(third)).returncode == 0
    assert daemon.call("forget", str(second)).returncode == 0
    assert [job["id"] for job in listed(daemon, "queue")["jobs"]] == [third, first]
    for words in (
        ["bump", str(first), str(second), "99999"],
        ["forget", str(second), "99999"],
        ["add", "-r", "scans", str(album)],
        ["retry", "99999", str(first)],
    ):
        refused = daemon.call(*words)
        assert refused.returncode == 2
        assert "→" in refused.stderr
        assert words[0] == "add" or "99999" in refused.stderr
    daemon.call("bump", str(third))

    daemon.call("resume")
    daemon.wait_done(album / names[2], album / names[0])

    assert is_upscaled(daemon.outbox / "three_4x.png", album / "three.png")
    assert {path: look(path) for path in before} == before, "whatever the rule does, they stay"
    told = daemon.call("why", str(album / "three.png"), "--config", str(daemon.config))
    assert f"job {third} is done" in told.stdout
    bad = daemon.drop("bad.png", b"no image")
    daemon.wait_until(lambda: listed(daemon, "failed")["jobs"], "bad.png has failed")
    (failed,) = listed(daemon, "failed")["jobs"]
    assert failed["file"] == str(bad)
    assert daemon.call("forget", "--all-failed").returncode == 0
    assert listed(daemon, "failed")["jobs"] == []
    assert daemon.call("status", "--check").returncode == 0

    logs = daemon.call("logs", "-n", "5")
    assert logs.stdout.splitlines() == daemon.log.splitlines()[-len(logs.stdout.splitlines()) :]
    assert "upscaled show" in daemon.call("logs", "--job", "1").stderr


def test_a_failure_that_was_moved_away_is_not_lost_by_a_retry(
    daemon: Daemon, tmp_path: Path
) -> None:
    failed = tmp_path / "my failed"
    daemon.configure({"photos": {"on_failure": {"move": str(failed)}}})
    assert daemon.call("reload").returncode == 0
    bad = daemon.drop("bad.png", b"no image")
    daemon.wait_until((failed / "bad.png").exists, "it is moved away")
    (job,) = listed(daemon, "failed")["jobs"]
    daemon.wait_until(
        lambda: "moved to" in daemon.call("show", str(job["id"])).stdout, "it is told"
    )

    refused = daemon.call("retry", str(job["id"]), "99999")
    assert refused.returncode == 2
    assert f"{job['id']}: moved to {failed}/bad.png; 99999: not failed" in refused.stderr
    assert f"upscaled add '{failed}/bad.png'" in refused.stderr
    everything = daemon.call("retry", "--all")
    assert (everything.returncode, everything.stdout) == (0, "")
    assert everything.stderr.startswith("0 queued again\n1 not: ")
    assert [one["id"] for one in listed(daemon, "failed")["jobs"]] == [job["id"]]

    # As the hint says: back in its inbox it is taken by itself.
    crop(5, 5).save(failed / "bad.png")
    (failed / "bad.png").rename(bad)
    daemon.wait_until((daemon.outbox / "bad_4x.png").exists, "it is done")


def test_a_watched_status_is_drawn_in_place_until_ctrl_c(daemon: Daemon) -> None:
    above, below = pty.openpty()
    with subprocess.Popen(
        [UPSCALED, "status", "--watch"],
        env=daemon.environ | {"TERM": "xterm", "COLUMNS": "80"},
        stdout=below,
        stderr=below,
    ) as watching:
        os.close(below)
        shown = b""
        # Two screens: the second one goes back over the first.
        while not re.search(rb"\x1b\[\d+F", shown):
            shown += os.read(above, 4096)
        watching.send_signal(signal.SIGINT)
        while chunk := _read(above):
            shown += chunk
        assert watching.wait(30) == 130
    os.close(above)
    assert b"photos" in shown
    assert shown.rstrip().endswith(b"\x1b[?25h"), "the cursor is shown again"
    assert b"Traceback" not in shown


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 4096)
    except OSError:  # EIO: the other end is closed
        return b""
