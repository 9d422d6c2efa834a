"""The kernel's mount table, and which places in it inotify cannot see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upscaled.filesystem.mounts import Mount, mount_of, parse_mounts, read_mounts

TABLE = rb"""22 28 0:21 / /sys rw,nosuid shared:7 - sysfs sysfs rw
28 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
90 28 0:52 / /home/ann/NAS rw,relatime shared:9 master:3 - cifs //nas/ann rw,vers=3.1.1
91 28 0:53 / /home/ann/My\040Photos rw - fuse.sshfs ann@host: rw
92 91 259:3 /sub /home/ann/My\040Photos/local rw - ext4 /dev/sdb1 rw
93 28 0:54 / /mnt/c rw - 9p C:\134 rw,aname=drvfs
94 28 8:17 / /media/stick rw - fuseblk /dev/sdc1 rw
95 28 0:60 / /srv/hidden rw - ext4 /dev/sdd1 rw
96 28 0:61 / /srv/hidden rw - nfs4 server:/export rw
not a mount
"""

PLACES = [
    (b"/home/ann/inbox", "ext4", False),
    (b"/home/ann/NAS", "cifs", True),
    (b"/home/ann/NAS/deep/er", "cifs", True),
    (b"/home/ann/NASTY", "ext4", False),
    (b"/home/ann/My Photos/x", "fuse.sshfs", True),
    (b"/home/ann/My Photos/local/x", "ext4", False),
    (b"/mnt/c/Users", "9p", True),
    (b"/media/stick", "fuseblk", False),
    (b"/srv/hidden", "nfs4", True),
    (b"/", "ext4", False),
]


@pytest.mark.parametrize(("path", "kind", "blind"), PLACES)
def test_a_place_lies_on_the_innermost_and_latest_mount(
    path: bytes, kind: str, blind: bool
) -> None:
    mount = mount_of(path, parse_mounts(TABLE))
    assert mount is not None
    assert (mount.kind, mount.blind) == (kind, blind)


def test_escaped_bytes_are_read_back() -> None:
    (mount,) = parse_mounts(rb"1 2 0:1 / /a\040b\011c\012d\134e rw - nfs x rw")
    assert mount.point == b"/a b\tc\nd\\e"


@pytest.mark.parametrize(
    "kind",
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "9p",
        "fuse",
        "fuse.rclone",
        "vboxsf",
        "virtiofs",
        "drvfs",
        "ceph",
    ],
)
def test_network_and_fuse_file_systems_are_blind(kind: str) -> None:
    assert Mount(b"/x", kind).blind


@pytest.mark.parametrize(
    "kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "f2fs", "vfat", "exfat", "ntfs3"]
)
def test_local_file_systems_are_not(kind: str) -> None:
    assert not Mount(b"/x", kind).blind


def test_no_table_has_no_mounts() -> None:
    assert parse_mounts(b"") == ()
    assert mount_of(b"/x", ()) is None


@given(st.binary())
def test_no_bytes_make_the_parser_raise(text: bytes) -> None:
    parse_mounts(text)


def test_this_machine_has_a_root_mount() -> None:
    mount = mount_of(b"/", read_mounts())
    assert mount is not None
    assert mount.point == b"/"
