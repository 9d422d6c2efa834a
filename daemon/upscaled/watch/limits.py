"""Why a folder is not watched by inotify, in words that name what to change."""

import errno
import os
from pathlib import Path

from upscaled.watch.spec import InboxSpec, shown

_SYSCTL = Path("/proc/sys")
_WATCHES = ("fs/inotify/max_user_watches", "user/max_inotify_watches")
_INSTANCES = ("fs/inotify/max_user_instances", "user/max_inotify_instances")
_ROOMY_WATCHES = 524_288  # what desktop distributions have used since kernel 5.11
_ROOMY_INSTANCES = 1024
_NO_FILES = "this process may open no more files (raise LimitNOFILE= of the unit, or ulimit -n)"


def explain_refusal(error: OSError) -> str:
    """One sentence for a refused inotify instance (EMFILE) or watch (ENOSPC)."""
    if error.errno == errno.ENOSPC:
        return _exhausted("watches", _WATCHES)
    if error.errno == errno.EMFILE and _may_open_files():
        return _exhausted("instances", _INSTANCES)
    if error.errno == errno.EMFILE:
        return _NO_FILES
    return f"inotify is refused ({error.strerror})"


def explain_unreadable(error: OSError) -> str:
    """One sentence for a folder that could not be listed this time."""
    if error.errno == errno.EMFILE:
        return _NO_FILES
    return f"it could not be read ({error.strerror})"


def explain_unwatched(unwatched: dict[bytes, str], spec: InboxSpec) -> str | None:
    """One sentence for all folders that inotify does not cover."""
    if not unwatched:
        return None
    folder, cause = min(unwatched.items())
    where = shown(spec.root / os.fsdecode(folder))
    others = len(unwatched) - 1
    if others:
        where += f" and {others} other folder{'s' if others > 1 else ''}"
    return f"{where}: looked through every {spec.poll_s:g} s, because {cause}"


def watch_limit() -> tuple[int, str]:
    """How many folders this user may watch, and the setting that says so."""
    return _least(_WATCHES)


def instance_limit() -> tuple[int, str]:
    """How many inotify instances this user may open, and the setting that says so."""
    return _least(_INSTANCES)


def raise_limit(allowed: int, name: str) -> str:
    """The command that allows more."""
    roomy = _ROOMY_WATCHES if "watches" in name else _ROOMY_INSTANCES
    return f"sudo sysctl {name}={max(roomy, allowed * 2)}"


def _exhausted(noun: str, settings: tuple[str, ...]) -> str:
    allowed, name = _least(settings)
    return (
        f"the kernel allows no more inotify {noun} ({name} is {allowed}); "
        f"allow more with: {raise_limit(allowed, name)}"
    )


def _least(settings: tuple[str, ...]) -> tuple[int, str]:
    # The smaller of the two is the one that bites: user/ counts for each user namespace.
    allowed, setting = min((_value(setting), setting) for setting in settings)
    return allowed, setting.replace("/", ".")


def _value(setting: str) -> int:
    try:
        return int((_SYSCTL / setting).read_text())
    except (OSError, ValueError):
        return 2**31


def try_descriptors() -> None:
    """Raises OSError where this process may not open the three that an inotify reader needs."""
    spares = list(os.pipe())
    try:
        spares.append(os.open("/", os.O_RDONLY | os.O_CLOEXEC))
    finally:
        for spare in spares:
            os.close(spare)


def _may_open_files() -> bool:
    try:
        try_descriptors()
    except OSError:
        return False
    return True
