"""This program, its Python, its libraries, and the clock."""

import importlib.metadata
import importlib.util
import platform
import sys
import time
from collections.abc import Iterator

import upscaled
from upscaled.cli.checks.finding import Finding, ok, warn

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
