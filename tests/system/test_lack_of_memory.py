"""A daemon that has hardly more memory than its worker takes to begin with: long, so for `soak`."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from support.daemon_fixtures import Daemon, MakeDaemon, crop

RULES = {"photos": {"component": "up"}}
COMPONENTS = {"up": {"task": "image-upscale", "model": "realesr-animevideov3", "precision": "fp32"}}
LARGE_PX = (700, 700)
ROOMS_MB = (40, 60, 80, 100)
"""Tiles of both cores take 70; threads' heaps are 64 each, so it differs from run to run."""


@pytest.mark.soak
def test_with_too_little_memory_the_result_is_the_same_and_the_next_start_knows(
    make_daemon: MakeDaemon, animevideo_file: Path
) -> None:
    assert animevideo_file.exists()  # among the models that daemons are given
    free = make_daemon("free")
    free.configure(RULES, components=COMPONENTS)
    started(free)
    peak_bytes = vm_peak_bytes(free)
    expected = [result_of_large(free, 0), result_of_large(free, 1)]

    fitted_at_once: list[bool] = []
    for room in ROOMS_MB:
        daemon = make_daemon(f"room-{room}")
        daemon.prefix = (*daemon.prefix, "prlimit", f"--as={peak_bytes + room * 2**20}")
        daemon.configure(RULES, components=COMPONENTS)
        started(daemon)
        assert result_of_large(daemon, 0) == expected[0]
        daemon.end()
        learned = ceiling(daemon)
        if learned is not None:
            started(daemon)
            assert result_of_large(daemon, 1) == expected[1]
            now = ceiling(daemon)
            fitted_at_once.append(now is None or now > learned)
    assert any(fitted_at_once)


def started(daemon: Daemon) -> None:
    daemon.start()
    daemon.wait_done(daemon.drop(f"small-{len(daemon.jobs())}.png"))


def result_of_large(daemon: Daemon, number: int) -> bytes:
    picture = crop(7 * number, 0, LARGE_PX)
    daemon.wait_done(daemon.drop(f"large-{number}.png", picture))
    return (daemon.outbox / f"large-{number}_4x.png").read_bytes()


def vm_peak_bytes(daemon: Daemon) -> int:
    text = Path(f"/proc/{daemon.worker_pid}/status").read_text(encoding="ascii")
    (line,) = [line for line in text.splitlines() if line.startswith("VmPeak:")]
    return int(line.split()[1]) * 1024


def ceiling(daemon: Daemon) -> int | None:
    with closing(sqlite3.connect(f"file:{daemon.dirs.store}?mode=ro", uri=True)) as store:
        rows = store.execute("SELECT value FROM learned WHERE key = 'cpu/Compact/fp32'").fetchall()
    found: list[int | None] = [json.loads(value)["ceiling"] for (value,) in rows]
    return found[0] if found else None
