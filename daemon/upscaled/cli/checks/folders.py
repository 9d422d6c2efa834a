"""Inboxes, output folders and our own: there, writable, with room, on which file system."""

import os
from collections.abc import Iterator
from pathlib import Path

from upscaled.cli.checks.finding import Finding, fail, ok, warn
from upscaled.config.settings import RuleSettings, Settings
from upscaled.dirs import Dirs
from upscaled.filesystem.mounts import Mount, mount_of, read_mounts
from upscaled.watch.root import check_root

_LITTLE_BYTES = 2_000_000_000
_NONE_BYTES = 50_000_000


def check_folders(settings: Settings, dirs: Dirs) -> Iterator[Finding]:
    mounts = read_mounts()
    for rule in settings.rules:
        if rule.enabled:
            for root in rule.roots:
                yield _inbox(rule, root, mounts, made=not settings.source_files)
            yield _written(f"output of {rule.name}", rule.delivery.folder, mounts)
    yield from check_own(dirs)


def check_own(dirs: Dirs) -> Iterator[Finding]:
    """Those that are needed whatever is configured."""
    mounts = read_mounts()
    mount = _mount(dirs.state, mounts)
    if mount is not None and mount.blind:
        yield warn(
            "state",
            f"{dirs.state} lies on {mount.kind}, where SQLite's locks do not hold",
            "set $XDG_STATE_HOME to a local folder",
        )
    else:
        yield _written("state", dirs.state, mounts)
    yield _written("models folder", dirs.models, mounts)
    yield _written("runtime", dirs.runtime, mounts, room=False)


def _inbox(rule: RuleSettings, root: Path, mounts: tuple[Mount, ...], *, made: bool) -> Finding:
    topic = f"inbox of {rule.name}"
    if made and not root.exists():
        return ok(topic, f"{root} is not there yet: the first start makes it")
    found = check_root(os.fsencode(root))
    if found.identity is None:
        remedy = f"ls -ld '{root}'" if root.exists() else f"mkdir -p '{root}'"
        return fail(topic, f"{root}: {found.reason}", remedy)
    mount = _mount(root, mounts)
    if mount is not None and mount.blind:
        return ok(topic, f"{root} ({mount.kind}, looked through every {rule.poll_s:g} s)")
    kind = f" ({mount.kind}, watched by inotify)" if mount else ""
    disposes = rule.delivery.on_success != "keep" or rule.delivery.on_failure != "keep"
    if disposes and not os.access(root, os.W_OK):
        return fail(topic, f"{root} cannot be written: sources stay", f"chmod u+w '{root}'")
    return ok(topic, f"{root}{kind}")


def _written(topic: str, folder: Path, mounts: tuple[Mount, ...], *, room: bool = True) -> Finding:
    there = _nearest(folder)
    if there is None or (folder.exists() and not folder.is_dir()):
        return fail(topic, f"{folder} is not a folder", f"mv '{folder}' '{folder}.old'")
    try:
        found = os.statvfs(there)
    except OSError as error:
        return fail(topic, f"{there}: {error.strerror}", f"ls -ld '{there}'")
    if found.f_flag & os.ST_RDONLY:
        return fail(topic, f"{there} is on a read-only file system", f"findmnt -T '{there}'")
    if not os.access(there, os.W_OK | os.X_OK):
        return fail(topic, f"{there} cannot be written", f"ls -ld '{there}'")
    return _room(topic, folder, there, found, mounts, room=room)


def _room(
    topic: str,
    folder: Path,
    there: Path,
    found: os.statvfs_result,
    mounts: tuple[Mount, ...],
    *,
    room: bool,
) -> Finding:
    mount = _mount(there, mounts)
    free_bytes = found.f_bavail * found.f_frsize
    kind = f"{mount.kind}, " if mount else ""
    what = f"{folder} ({kind}{free_bytes / 1e9:.1f} GB free)"
    if found.f_files and not found.f_favail:
        return fail(topic, f"{what}: no inode is left", f"df -i '{there}'")
    if room and found.f_blocks and free_bytes < _LITTLE_BYTES:
        level = fail if free_bytes < _NONE_BYTES else warn
        return level(topic, what, f"df -h '{there}'")
    return ok(topic, what)


def _nearest(folder: Path) -> Path | None:
    """It, or the folder that it would be made in."""
    return next((path for path in (folder, *folder.parents) if path.is_dir()), None)


def _mount(folder: Path, mounts: tuple[Mount, ...]) -> Mount | None:
    there = _nearest(folder)
    return None if there is None else mount_of(os.fsencode(there.resolve()), mounts)
