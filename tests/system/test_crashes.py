"""Whatever ends in the middle of an image: it is finished, once, and nothing is left behind."""

import os
import signal
import time
from pathlib import Path

import pytest

from support.daemon_fixtures import LARGE_PX, Daemon, crop, is_gone, is_upscaled
from upscaled.job import JobState
from upscaled.store.views import JobView

STOP_LIMIT_S = 5.0
"""Of a first SIGTERM, whatever the worker does."""
AT_ONCE_S = 2.0
LONG_PX = (1600, 1200)
"""A minute and a half of work at 47 µs a pixel, the best that was measured on two cores."""


@pytest.fixture
def source(daemon: Daemon) -> Path:
    """An image that the device is in the middle of."""
    source = daemon.drop("large.png", crop(0, 0, LARGE_PX))
    daemon.wait_in_the_middle(source)
    return source


@pytest.fixture
def long_source(daemon: Daemon) -> Path:
    """Nobody would wait for its end."""
    source = daemon.drop("long.png", crop(0, 0, LONG_PX))
    daemon.wait_in_the_middle(source)
    return source


def assert_finished_once(daemon: Daemon, source: Path) -> JobView:
    """One job, one result, whole and at its place, and no file beside it."""
    daemon.wait_done(source)
    (job,) = daemon.jobs()
    assert daemon.results() == ["large_4x.png"]
    assert job.output == daemon.outbox / "large_4x.png"
    assert is_upscaled(job.output, source)
    return job


def assert_given_back(daemon: Daemon, source: Path) -> None:
    """The image waits as if it had never been begun."""
    (job,) = daemon.jobs(source)
    assert (job.state, job.attempts) == (JobState.WAITING, 0)
    assert daemon.events(job) == ["claimed", "interrupted"]
    assert daemon.results() == []


def worker_of(daemon: Daemon) -> int:
    pid = daemon.worker_pid
    assert pid is not None
    return pid


def stop(daemon: Daemon) -> float:
    """SIGTERM; the seconds until the daemon has ended, with exit code 0."""
    began = time.monotonic()
    daemon.send(signal.SIGTERM)
    assert daemon.wait_for_end() == 0
    return time.monotonic() - began


def test_an_image_is_finished_once_after_its_worker_was_killed(
    daemon: Daemon, source: Path
) -> None:
    supervisor, killed = daemon.status()["daemon"]["pid"], worker_of(daemon)

    os.kill(killed, signal.SIGKILL)

    job = assert_finished_once(daemon, source)
    assert daemon.status()["daemon"]["pid"] == supervisor
    assert worker_of(daemon) != killed
    assert "the worker died: killed by SIGKILL" in daemon.log
    assert job.attempts == 2
    assert daemon.events(job) == ["claimed", "worker died", "waiting", "claimed", "done"]


def test_an_image_is_finished_once_after_the_daemon_was_killed(
    daemon: Daemon, source: Path
) -> None:
    worker = worker_of(daemon)

    daemon.send(signal.SIGKILL)
    killed_at = time.monotonic()
    daemon.wait_for_end()
    while not is_gone(worker) and time.monotonic() < killed_at + AT_ONCE_S:
        time.sleep(0.01)
    assert is_gone(worker), "the worker outlived its supervisor"
    assert daemon.call("status").returncode == 3

    daemon.start()

    job = assert_finished_once(daemon, source)
    assert f"job {job.id} ({source}) was cut off: it is waiting again" in daemon.log
    assert job.attempts == 2
    assert daemon.events(job) == ["claimed", "recovered", "waiting", "claimed", "done"]


def test_a_stop_gives_the_attempt_back_and_the_next_start_finishes_the_image(
    daemon: Daemon, source: Path
) -> None:
    worker = worker_of(daemon)

    assert stop(daemon) < STOP_LIMIT_S

    assert is_gone(worker)
    assert_given_back(daemon, source)

    daemon.start()

    assert assert_finished_once(daemon, source).attempts == 1


def test_a_stop_in_a_long_image_waits_for_the_end_of_a_tile_alone(
    daemon: Daemon, long_source: Path
) -> None:
    worker = worker_of(daemon)

    assert stop(daemon) < STOP_LIMIT_S

    assert is_gone(worker)
    assert "the tile takes too long" not in daemon.log
    assert_given_back(daemon, long_source)


def test_a_worker_that_hangs_does_not_hold_up_the_stop(daemon: Daemon, source: Path) -> None:
    worker = worker_of(daemon)
    os.kill(worker, signal.SIGSTOP)

    assert stop(daemon) < STOP_LIMIT_S

    assert is_gone(worker)
    assert_given_back(daemon, source)


def test_a_second_sigterm_ends_it_at_once(daemon: Daemon, long_source: Path) -> None:
    worker = worker_of(daemon)
    # It cannot answer the first one, which would go on waiting for it.
    os.kill(worker, signal.SIGSTOP)
    daemon.send(signal.SIGTERM)
    daemon.wait_until(lambda: "stopping" in daemon.log, "it stops")

    assert stop(daemon) < AT_ONCE_S

    assert is_gone(worker)
    assert_given_back(daemon, long_source)
