"""The job database, and the SQLite that it is read with."""

import time
from collections.abc import Iterator

from upscaled.cli.checks.finding import Finding, fail, ok
from upscaled.dirs import Dirs
from upscaled.errors import StoreError
from upscaled.store.version import sqlite_version, wal_reset_bug
from upscaled.store.views import open_views


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
