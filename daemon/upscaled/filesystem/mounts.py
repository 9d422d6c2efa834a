"""The kernel's mount table: what lies where, and where inotify is blind.

inotify sees what this kernel does. What another machine, the host of this virtual machine or a
FUSE server changes by itself is not reported (inotify(7), "Limitations"), so those directories
have to be looked through. Format: proc_pid_mountinfo(5).
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

_BLIND = frozenset(
    (
        "9p",  # WSL 1 and 2 (/mnt/c), QEMU
        "acfs",
        "afs",
        "ceph",
        "cifs",
        "coda",
        "drvfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "prl_fs",  # Parallels
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
        "vmhgfs",
    )
)
# fuseblk is a local disk (ntfs-3g, exfat-fuse): all writers come through this kernel.
_BLIND_STARTS = ("fuse.", "nfs")
_ESCAPE = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    point: bytes
    kind: str
    """The file system's type, as the kernel names it."""
    number: int = 0
    """Its id, as the kernel gives it to each open file too."""

    @property
    def blind(self) -> bool:
        return self.kind in _BLIND or self.kind == "fuse" or self.kind.startswith(_BLIND_STARTS)


def parse_mounts(text: bytes) -> tuple[Mount, ...]:
    """The mounts in `/proc/self/mountinfo`, in its order; lines that are none are left out."""
    mounts = []
    for line in text.splitlines():
        before, separator, after = line.partition(b" - ")
        fields = before.split(b" ")
        if separator and len(fields) >= 6:  # noqa: PLR2004 - proc_pid_mountinfo(5): six, then optional ones
            point = _ESCAPE.sub(lambda found: bytes([int(found[1], 8)]), fields[4])
            kind = after.split(b" ")[0].decode("ascii", "replace")
            number = int(fields[0]) if fields[0].isdigit() else 0
            mounts.append(Mount(point, kind, number))
    return tuple(mounts)


def mount_of(path: bytes, mounts: tuple[Mount, ...]) -> Mount | None:
    """The mount that holds `path` (absolute, without symlinks)."""
    best: Mount | None = None
    for mount in mounts:
        holds = path == mount.point or path.startswith(mount.point.rstrip(b"/") + b"/")
        # Of two mounts on one point, the later one hides the earlier.
        if holds and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def read_mounts() -> tuple[Mount, ...]:
    """This machine's mounts; none where there is no /proc."""
    try:
        return parse_mounts(Path("/proc/self/mountinfo").read_bytes())
    except OSError:
        return ()


def mount_of_open(fd: int, mounts: tuple[Mount, ...]) -> Mount | None:
    """The mount that an open file or folder lies on, whatever was mounted over its path since."""
    try:
        lines = Path(f"/proc/self/fdinfo/{fd}").read_bytes().splitlines()
    except OSError:
        return None
    numbers = [int(line.split()[1]) for line in lines if line.startswith(b"mnt_id:")]
    found = [mount for mount in mounts if mount.number in numbers]
    # A kernel before 3.15 names no mount.
    return (
        found[0] if found else mount_of(os.fsencode(Path(f"/proc/self/fd/{fd}").readlink()), mounts)
    )
