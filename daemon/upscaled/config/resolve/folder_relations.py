"""Whether one folder lies in another, seen through symlinks and bind mounts."""

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePath


@dataclass(frozen=True, slots=True)
class MountPoint:
    point: PurePath
    device: str
    root: PurePath
    """The folder of the device that is seen at `point`."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder by device and path on it: two names of one folder give equal places."""

    device: str
    path: PurePath

    def within(self, other: "Place") -> bool:
        return self.device == other.device and self.path.is_relative_to(other.path)


def mounts(mountinfo: str) -> tuple[MountPoint, ...]:
    """From `/proc/self/mountinfo` (proc(5)); lines that make no sense are left out."""
    found = []
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        if len(fields) > 5:  # noqa: PLR2004  the fields up to the mount point
            found.append(MountPoint(_path(fields[4]), fields[2], _path(fields[3])))
    return tuple(found)


def read_mounts() -> tuple[MountPoint, ...]:
    """Of this process; none where there is no /proc."""
    try:
        return mounts(os.fsdecode(Path("/proc/self/mountinfo").read_bytes()))
    except OSError:
        return ()


def place(folder: Path, mounted: tuple[MountPoint, ...], *, is_real: bool = False) -> Place:
    """Where `folder` is, or would be once it is made; `is_real`: no link is looked for in it."""
    real = PurePath(folder if is_real else os.path.realpath(folder))
    # The last of the longest: a later mount at the same point hides the earlier one.
    below = [mount for mount in mounted if real.is_relative_to(mount.point)]
    if not below:
        return Place("", real)
    mount = max(reversed(below), key=lambda found: len(found.point.parts))
    return Place(mount.device, mount.root / real.relative_to(mount.point))


def _path(field: str) -> PurePath:
    return PurePath(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal.group(1), 8)), field))
