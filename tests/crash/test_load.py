"""A great many files: how fast they are queued, and what that costs the supervisor.

The short form has limits for a machine that is busy with other things; `soak` has the real ones.
"""

import os
import re
import signal
import statistics
import time
from pathlib import Path

import psutil
import pytest
from crash_daemon import SETTLE_S, CheapDaemon, write_image
from crash_stage import headline

from upscaled.watch.schedule import SCAN_SHARE

FOLDERS = 100
IDLE_S = 60.0
RESCAN_S = 300.0
"""By default, and but for the spread."""


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
    return took_s, most_memory_mb(daemon.child.pid)


def most_memory_mb(pid: int) -> float:
    """Ever, since it began."""
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(line) * 1024 / 1e6


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def cpu_of_a_scan_s(daemon: CheapDaemon, supervisor: psutil.Process) -> float:
    """What it takes to look through everything once, until it is quiet again."""
    before = last = cpu_s(supervisor)
    assert daemon.call("scan").returncode == 0
    quiet_since = time.monotonic()
    while time.monotonic() < quiet_since + 2.0:
        time.sleep(0.1)
        if (now := cpu_s(supervisor)) > last + 0.02:
            last, quiet_since = now, time.monotonic()
    return cpu_s(supervisor) - before


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
        queued_cpu_s = cpu_s(supervisor)
        before = cpu_s(supervisor)
        time.sleep(IDLE_S)
        busy_s = cpu_s(supervisor) - before
        scan_s = cpu_of_a_scan_s(daemon, supervisor)
    finally:
        daemon.end()
        daemon.show_log()
    # None falls into the minute that is measured: it follows five minutes after the last one.
    an_hour_s = busy_s * 3600 / IDLE_S + scan_s * 3600 / max(RESCAN_S, scan_s / SCAN_SHARE)
    headline(
        f"100,000 files queued in {took_s:.1f} s ({queued_cpu_s:.1f} CPU-seconds), "
        f"{memory_mb:.0f} MB at most; then {an_hour_s:.1f} CPU-seconds an hour while idle "
        f"({scan_s:.2f} of them for each scan)"
    )
    # Where others are at work too, it gets its share of the two cores.
    crowd = max(os.getloadavg()[0] / (os.cpu_count() or 1), 1.0)
    assert took_s <= 15 * crowd
    assert queued_cpu_s <= 15
    assert memory_mb <= 200
    assert an_hour_s <= 10


@pytest.mark.soak
def test_twenty_thousand_files_while_the_daemon_is_stopped_are_queued(
    tmp_path: Path, home: Path
) -> None:
    """More events than the kernel keeps: it drops the rest, and says so."""
    count = 20_000
    daemon = CheapDaemon(tmp_path / "daemon", home=home)
    daemon.configure()
    try:
        daemon.start()
        assert daemon.call("pause").returncode == 0
        for number in range(FOLDERS):
            (daemon.inbox / f"{number:02}").mkdir()
        write_image(daemon.inbox / "99" / "a.png", 1)
        daemon.wait_until(lambda: daemon.counts()["waiting"] == 1, "the last folder is watched")
        daemon.send(signal.SIGSTOP)
        for number in range(count):
            (daemon.inbox / f"{number % FOLDERS:02}" / f"{number}.png").write_bytes(b"%d" % number)
        daemon.send(signal.SIGCONT)
        began = time.monotonic()
        daemon.wait_until(lambda: daemon.counts()["waiting"] == 1 + count, "all are queued")
        took_s = time.monotonic() - began
        assert "inotify lost events" in daemon.log
    finally:
        daemon.end()
    headline(f"{count:,} files dropped while it was stopped: all queued after {took_s:.1f} s")
    assert took_s < RESCAN_S


@pytest.mark.soak
def test_a_dropped_file_is_claimed_as_soon_as_it_has_settled(tmp_path: Path, home: Path) -> None:
    daemon = CheapDaemon(tmp_path / "daemon", home=home)
    daemon.configure()
    waits = []
    try:
        daemon.start()
        daemon.wait_until(daemon.is_ready, "it is ready")
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
