"""Supervisor and worker are killed at random times, again and again, while files arrive.

The daemon is the real one, in its two processes; only the network is a twin (`twin`), but for
one short run with torch. What is left at the end has to equal what an undisturbed run gives.
"""

import contextlib
import os
import random
import signal
import sqlite3
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from crash_daemon import CheapDaemon, write_image, write_tiny_model
from crash_stage import headline, tree

from upscaled.store.views import JobView, open_views

SIZE_PX = 160
"""A tenth of a second of work for each image: kills shall hit it."""
RULES = ("keep", "delete", "move")
STILL_LIMIT_S = 120.0
"""So long nothing may end: how long all of it takes depends on the machine."""


class Kills:
    def __init__(self, folder: Path, home: Path, files: int, site: str | None) -> None:
        self.rng = random.Random(20_261_122)  # noqa: S311 (times to kill at)
        self.names = [f"{rule}/{n // 10}/{n}.png" for n in range(files // 3) for rule in RULES]
        self.daemon = CheapDaemon(folder, site=site, home=home)
        # One file for the two runs: results carry a digest of where their model lies.
        self.daemon.model = write_tiny_model(folder.parent / "tiny.safetensors")
        self.daemon.configure({rule: self._rule(rule) for rule in RULES})
        self.dropped = 0
        self.supervisors = self.workers = 0
        self.poison: dict[str, str] = {}
        """Files that were given up, with the reason: kills met them three times, each alone."""

    def _rule(self, rule: str) -> dict[str, Any]:
        folder = self.daemon.folder
        on_success = {"move": str(folder / "archive")} if rule == "move" else rule
        return {
            "watch": str(folder / "inbox" / rule),
            "output": str(folder / "outbox" / rule),
            "on_success": on_success,
        }

    def drop(self, count: int) -> None:
        for name in self.names[self.dropped : self.dropped + count]:
            write_image(self.daemon.inbox / name, zlib.crc32(name.encode()), SIZE_PX)
            self.dropped += 1

    def torment(self, kills: int, longest_s: float) -> None:
        """Files arrive, and something is killed before they are done."""
        for rule in RULES:
            (self.daemon.inbox / rule).mkdir(parents=True, exist_ok=True)
        self.daemon.spawn()
        for kill in range(kills):
            self.drop(-(-(len(self.names) - self.dropped) // (kills - kill)))
            meets_worker = self.rng.random() < 0.5
            if meets_worker:
                # It takes half a second to start: where none is waited for, few are ever met.
                self.wait_for_worker()
            time.sleep(self.rng.uniform(0.0, longest_s))
            worker = self.daemon.worker
            if worker is None or not meets_worker:
                self.daemon.kill_supervisor()
                self.daemon.spawn()
                self.supervisors += 1
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                self.workers += 1

    def wait_for_worker(self) -> None:
        deadline = time.monotonic() + STILL_LIMIT_S
        while self.daemon.worker is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def finish(self) -> None:
        """Left alone, it ends its work. What it took for poison is tried again by hand."""
        daemon = self.daemon
        done, since = 0, time.monotonic()
        while (counts := daemon.counts())["done"] < len(self.names):
            if counts["done"] > done:
                done, since = counts["done"], time.monotonic()
            assert time.monotonic() < since + STILL_LIMIT_S, counts
            if counts["failed"]:
                self.poison |= {str(job.file): str(job.reason) for job in self.failed()}
                daemon.call("retry", "--all")
            time.sleep(0.1)
        daemon.wait_until(lambda: not daemon.status()["running"], "all is done")
        daemon.send(signal.SIGTERM)
        assert daemon.wait_for_end() == 0

    def failed(self) -> tuple[JobView, ...]:
        with open_views(self.daemon.dirs.store) as views:
            return views.failed(RULES, most=1000)

    def what_is_there(self) -> dict[str, Any]:
        folder = self.daemon.folder
        return {part: tree(folder / part) for part in ("inbox", "outbox", "archive")}

    def jobs(self) -> list[tuple[bytes, str]]:
        with contextlib.closing(sqlite3.connect(self.daemon.dirs.store)) as conn:
            assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return conn.execute("SELECT path, state FROM job ORDER BY path, id").fetchall()


def survive(
    tmp_path: Path, home: Path, kills: int, files: int, longest_s: float, **how: Any
) -> str:
    calm = Kills(tmp_path / "calm", home, files, **how)
    rough = Kills(tmp_path / "rough", home, files, **how)
    try:
        calm.drop(files)
        calm.daemon.spawn()
        calm.finish()
        rough.torment(kills, longest_s)
        rough.finish()
    except BaseException:
        rough.daemon.show_log()
        raise
    finally:
        calm.daemon.end()
        rough.daemon.end()

    assert calm.poison == {}
    # The death of the daemon is no file's fault.
    assert all("it killed the worker" in reason for reason in rough.poison.values()), rough.poison
    assert len(rough.poison) <= rough.workers // 3
    expected = calm.what_is_there()
    assert len(expected["outbox"]) == len(calm.names)
    assert rough.what_is_there() == expected
    inbox = str(rough.daemon.inbox)
    assert rough.jobs() == [
        (os.fsencode(f"{inbox}/{name}"), "done") for name in sorted(rough.names)
    ]
    return (
        f"{kills} kills ({rough.supervisors} of the supervisor, {rough.workers} of the worker) "
        f"over {len(rough.names)} files: 0 lost, 0 duplicated, 0 half-written "
        f"({len(rough.poison)} given up as poison meanwhile, and done when tried again by hand)"
    )


def test_kills_at_random_times_leave_what_an_undisturbed_run_leaves(
    tmp_path: Path, home: Path
) -> None:
    headline(survive(tmp_path, home, kills=15, files=60, longest_s=1.0, site="twin"))


@pytest.mark.soak
def test_five_hundred_kills(tmp_path: Path, home: Path) -> None:
    headline(survive(tmp_path, home, kills=500, files=1200, longest_s=2.0, site="twin"))


@pytest.mark.soak
def test_kills_with_torch_in_the_worker(tmp_path: Path, home: Path) -> None:
    headline(survive(tmp_path, home, kills=50, files=150, longest_s=8.0, site=None))
