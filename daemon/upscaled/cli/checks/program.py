"""This program, its Python, its libraries, and the clock."""

import importlib.metadata
import importlib.util
import platform
import sys
import time
from collections.abc import Iterator

import upscaled
from upscaled.cli.checks.finding import Finding, fail, ok, warn
from upscaled.dirs import Dirs
from upscaled.errors import StoreError
from upscaled.store.version import sqlite_version, wal_reset_bug
from upscaled.store.views import open_views

_RELEASED = 1_767_225_600
"""2026-01-01: no clock that is right shows an earlier time."""


def check_program() -> Iterator[Finding]:
    yield ok("program", f"upscaled {upscaled.__version__} in {sys.prefix}")
    yield ok("python", f"{platform.python_version()} ({sys.executable})")
    yield _journal_fields()


def _journal_fields() -> Finding:
    if _has_systemd_python():
        version = importlib.metadata.version("systemd-python")
        return ok("systemd-python", f"{version}: journal lines have fields")
    return ok(
        "systemd-python",
        "not installed: journal lines have levels, but no fields (UPSCALED_RULE=…)",
        f"{sys.executable} -m pip install systemd-python",
    )


def _has_systemd_python() -> bool:
    # The distribution's name: a folder called `systemd` in the current one is no package.
    try:
        importlib.metadata.version("systemd-python")
    except importlib.metadata.PackageNotFoundError:
        return False
    return importlib.util.find_spec("systemd") is not None


def check_clock(newest_job_at: float | None) -> Iterator[Finding]:
    """`newest_job_at`: the latest time that the job database knows of."""
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(now))
    set_it = "timedatectl set-ntp true"
    if now < _RELEASED:
        yield warn("clock", f"it shows {shown}, which is past", set_it)
    elif newest_job_at is not None and newest_job_at > now + 60:
        ahead_s = newest_job_at - now
        yield warn("clock", f"it was set back: a job is from {ahead_s:.0f} s ahead", set_it)
    else:
        yield ok("clock", shown)


def check_database(dirs: Dirs) -> Iterator[Finding]:
    bug = wal_reset_bug()
    yield ok("sqlite", bug or sqlite_version())
    if not dirs.store.exists():
        yield ok("database", f"{dirs.store} is not there yet: the first start makes it")
        return
    try:
        with open_views(dirs.store) as views:
            overview = views.overview(time.time(), most=1)
    except StoreError as error:
        yield fail("database", error.message, error.hint)
        return
    counts = overview.rules.values()
    failed = sum(rule.failed for rule in counts)
    waiting = sum(rule.waiting + rule.running for rule in counts)
    size = dirs.store.stat().st_size / 1e6
    done = sum(rule.done for rule in counts)
    what = f"{dirs.store}: {done} done, {waiting} queued, {failed} failed, {size:.1f} MB"
    yield ok("database", what, "upscaled status --all" if failed else None)


def newest_job_at(dirs: Dirs) -> float | None:
    """When the last job that is done or failed was finished, as the clock was then."""
    try:
        with open_views(dirs.store) as views:
            overview = views.overview(time.time(), most=1)
    except StoreError:
        return None
    times = [job.finished_at for job in (*overview.recent, *overview.failed)]
    return max((at for at in times if at is not None), default=None)
