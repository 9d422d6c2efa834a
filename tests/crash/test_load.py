"""A great many files: how fast they are queued, and what that costs the supervisor.

The short form has limits for a machine that is busy with other things; `soak` has the real ones.
"""

import statistics
import time
from pathlib import Path

import psutil
import pytest
from crash_daemon import SETTLE_S, CheapDaemon, write_image
from crash_stage import headline

FOLDERS = 100


def fill(inbox: Path, count: int) -> None:
    """Files that are taken for images by their names; nobody opens them, as all is paused."""
    for number in range(count):
        folder = inbox / f"{number % FOLDERS:02}"
        if number < FOLDERS:
            folder.mkdir(parents=True)
        (folder / f"{number}.png").write_bytes(b"%d" % number)


def queue_all(daemon: CheapDaemon, count: int) -> tuple[float, float]:
    """Seconds until all are queued, counted from the start; the supervisor's most memory in MB."""
    daemon.configure()
    daemon.start()
    assert daemon.call("pause").returncode == 0
    daemon.send(15)
    assert daemon.wait_for_end() == 0
    fill(daemon.inbox, count)
    began = time.monotonic()
    daemon.spawn()
    assert daemon.child is not None
    while daemon.counts()["waiting"] < count:
        assert time.monotonic() - began < 120, daemon.counts()
        time.sleep(0.1)
    took_s = time.monotonic() - began
    return took_s, psutil.Process(daemon.child.pid).memory_info().rss / 1e6


def test_thousands_of_files_are_queued_in_seconds(tmp_path: Path, home: Path) -> None:
    daemon = CheapDaemon(tmp_path / "daemon", home=home)
    try:
        took_s, memory_mb = queue_all(daemon, 5_000)
    finally:
        daemon.end()
    headline(f"5,000 files queued in {took_s:.1f} s, {memory_mb:.0f} MB")
    assert took_s < 20
    assert memory_mb < 200


@pytest.mark.soak
def test_a_hundred_thousand_files_are_queued_in_fifteen_seconds(tmp_path: Path, home: Path) -> None:
    daemon = CheapDaemon(tmp_path / "daemon", home=home)
    try:
        took_s, memory_mb = queue_all(daemon, 100_000)
        assert daemon.child is not None
        supervisor = psutil.Process(daemon.child.pid)
        idle_s = 60.0
        before = supervisor.cpu_times()
        cpu_s = before.user + before.system
        time.sleep(idle_s)
        after = supervisor.cpu_times()
    finally:
        daemon.end()
        daemon.show_log()
    busy_s = after.user + after.system - before.user - before.system
    an_hour_s = busy_s * 3600 / idle_s
    headline(
        f"100,000 files queued in {took_s:.1f} s ({cpu_s:.1f} CPU-seconds), {memory_mb:.0f} MB; "
        f"then {an_hour_s:.1f} CPU-seconds an hour while idle"
    )
    # What the supervisor took of the processors counts where others are at work too.
    assert min(took_s, cpu_s) <= 15
    assert memory_mb <= 200


@pytest.mark.soak
def test_a_dropped_file_is_claimed_as_soon_as_it_has_settled(tmp_path: Path, home: Path) -> None:
    daemon = CheapDaemon(tmp_path / "daemon", home=home)
    daemon.configure()
    waits = []
    try:
        daemon.start()
        daemon.wait_until(lambda: daemon.status()["workers"][0]["resident"], "it is ready")
        for number in range(30):
            dropped = time.time()
            path = write_image(daemon.inbox / f"{number}.png", number)
            (job,) = daemon.wait_done(path)
            assert job.claimed_at is not None
            waits.append(job.claimed_at - dropped)
            time.sleep(0.2)
    finally:
        daemon.end()
    median_ms = 1000 * (statistics.median(waits) - SETTLE_S)
    headline(f"drop to claim: settle time + {median_ms:.0f} ms (median of {len(waits)})")
    assert median_ms <= 100
