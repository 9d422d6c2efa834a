"""Whether the kernel gives as many inotify watches as the inboxes have folders."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from upscaled.cli.checks.finding import Finding, fail, ok, warn
from upscaled.config.settings import Settings
from upscaled.filesystem.mounts import mount_of, read_mounts
from upscaled.watch.limits import instance_limit, raise_limit, watch_limit

_LOOK_S = 3.0
"""For counting folders; of more than can be counted in that time it says "at least"."""


def check_inotify(settings: Settings) -> Iterator[Finding]:
    roots = {root: rule.recursive for rule in settings.rules if rule.enabled for root in rule.roots}
    watched = {root: deep for root, deep in roots.items() if not _is_blind(root)}
    deadline = time.monotonic() + _LOOK_S
    folders, complete = 0, True
    for root, deep in watched.items():
        found, whole = count_folders(root, deep=deep, deadline=deadline)
        folders, complete = folders + found, complete and whole
    yield judge_watches(folders, watch_limit(), complete=complete)
    yield judge_instances(len(watched), instance_limit())


def judge_watches(needed: int, limit: tuple[int, str], *, complete: bool = True) -> Finding:
    allowed, setting = limit
    least = "" if complete else "at least "
    what = f"{least}{needed} of {allowed} watches needed ({setting})"
    if needed > allowed:
        return fail("inotify", f"{what}: the other folders are polled", raise_limit(*limit))
    if needed * 2 > allowed:
        return warn("inotify", f"{what}, and other programs need some", raise_limit(*limit))
    return ok("inotify", what)


def judge_instances(needed: int, limit: tuple[int, str]) -> Finding:
    allowed, setting = limit
    what = f"{needed} of {allowed} instances needed ({setting})"
    if needed * 2 > allowed:
        return warn("inotify", f"{what}, and other programs need some", raise_limit(*limit))
    return ok("inotify", what)


def count_folders(root: Path, *, deep: bool, deadline: float) -> tuple[int, bool]:
    """Folders from `root` down, and whether that is all of them."""
    if not root.is_dir():
        return 0, True
    if not deep:
        return 1, True
    count = 0
    for _ in os.walk(root):
        count += 1
        if time.monotonic() > deadline:
            return count, False
    return count, True


def _is_blind(root: Path) -> bool:
    mount = mount_of(os.fsencode(root.resolve()), read_mounts())
    return mount is not None and mount.blind
