"""What a folder lies on: the empty place where a disk was mounted is not taken for the disk.

A NAS that is not there leaves an empty directory behind, or none: whoever makes the folder anew
fills the system's disk with results, and whoever watches it takes everything for deleted.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from upscaled.errors import DiskMissing
from upscaled.filesystem.mounts import Mount, mount_of, mount_of_open, read_mounts
from upscaled.job import MountIdentity

_FSTAB = Path("/etc/fstab")


def check_mount(
    folder: Path, before: MountIdentity | None, *, required: bool | None
) -> MountIdentity | None:
    """What `folder` lies on now; None: it is not there, and may be made.

    `before` is what was found the last time. `required`: it has to lie on another file system
    than those of `/` and of the home (True), or wherever (False); None: where it lay before.
    An automount is woken up by it.

    Raises:
        DiskMissing: the disk that it lay on, or has to lie on, is not mounted.
        OSError: as the system says.
    """
    real = Path(os.path.realpath(folder))
    mounts = read_mounts()
    nearest, fd = _open_nearest(real)
    try:
        status, mount = os.fstat(fd), mount_of_open(fd, mounts)
    finally:
        os.close(fd)
    # Without /proc nothing is known of mounts.
    here = Path(os.fsdecode(mount.point)) if mount else Path("/")
    found = MountIdentity(here, status.st_dev, status.st_ino) if nearest == real else None
    if mount is not None and required is not False:
        firm = _firm(mounts)
        if required and here in firm:
            raise DiskMissing(
                f"{folder} is not on a separate mount, but `require_mount: true` is set",
                hint="mount it",
            )
        if before is not None:
            _compare(before, found, real, here, is_firm=here in firm)
        elif found is None and (point := _promised(real, mounts)) is not None:
            raise DiskMissing(
                f"{folder} belongs on the disk at {point}, by {_FSTAB}, which is not mounted",
                hint=f"mount {point}, or set `require_mount: false`",
            )
    return found


def _compare(
    before: MountIdentity, found: MountIdentity | None, folder: Path, here: Path, *, is_firm: bool
) -> None:
    is_same = found is not None and (found.device, found.inode) == (before.device, before.inode)
    # The very same folder by another mount: a bind mount that came or went.
    if is_same:
        return
    if folder.is_relative_to(before.mount) and here in before.mount.parents:
        raise DiskMissing(
            f"{folder} lay on the disk at {before.mount}, which is not mounted",
            hint="mount it; or, if its place is here from now on, set `require_mount: false`",
        )
    if found is None and not is_firm:
        raise DiskMissing(
            f"{folder} is not on the disk that is mounted at {here}",
            hint=f"if this is the right disk: mkdir -p {folder}",
        )


@contextmanager
def hold_mount(
    folder: Path,
    before: MountIdentity | None,
    *,
    required: bool | None,
    make: Callable[[Path], None],
) -> Iterator[MountIdentity]:
    """As `look`; made where it may be, and its disk cannot be unmounted meanwhile.

    Raises:
        DiskMissing, OSError: as `look` says.
    """
    if check_mount(folder, before, required=required) is None:
        make(folder)
    fd = _open(Path(os.path.realpath(folder)))
    try:
        # What was mounted or unmounted before it was held is seen now.
        found = check_mount(folder, before, required=required)
        if found is None:
            raise DiskMissing(f"{folder} has just vanished")
        yield found
    finally:
        os.close(fd)


def _open_nearest(folder: Path) -> tuple[Path, int]:
    """The folder itself or, where it is not there, the nearest above it."""
    for path in (folder, *folder.parents):
        try:
            return path, _open(path)
        except FileNotFoundError:
            continue
    raise FileNotFoundError(folder)


def _open(folder: Path) -> int:
    flags = os.O_DIRECTORY | os.O_CLOEXEC
    try:
        return os.open(folder, os.O_RDONLY | flags)
    except PermissionError:
        # One may be let write into it, and not look.
        return os.open(folder, os.O_PATH | flags)


def _firm(mounts: tuple[Mount, ...]) -> frozenset[Path]:
    """Where what never goes away is mounted: the system, and the home."""
    home = os.path.realpath(os.fsencode(os.path.expanduser("~")))  # noqa: PTH111 - no home: no error
    found = (mount_of(path, mounts) for path in (b"/", home))
    return frozenset(Path(os.fsdecode(mount.point)) for mount in found if mount is not None)


def _promised(folder: Path, mounts: tuple[Mount, ...]) -> Path | None:
    """Where a disk should be mounted above `folder`, and is not: fstab(5)."""
    try:
        lines = _FSTAB.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    fields = [line.split() for line in lines if not line.lstrip().startswith("#")]
    points = [_unescaped(words[1]) for words in fields if len(words) > 2]  # noqa: PLR2004 - fstab(5): what, where, type
    mounted = {Path(os.fsdecode(mount.point)) for mount in mounts}
    above = (folder, *folder.parents)
    return next((p for p in points if p.is_absolute() and p in above and p not in mounted), None)


def _unescaped(field: str) -> Path:
    return Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field))
