"""A folder whose disk is gone is missed, and not made anew on the disk below."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from upscaled.errors import DiskMissing
from upscaled.filesystem import mount_guard
from upscaled.filesystem.mounts import Mount, mount_of
from upscaled.job import MountIdentity

Mounted = Callable[..., None]


@pytest.fixture(autouse=True)
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mounted:
    """`mounted(*points)`: what the kernel's table says from now on; `/` is in it."""
    table: list[tuple[Mount, ...]] = []

    def mount(*points: Path) -> None:
        all_points = [b"/", *map(os.fsencode, points)]
        table[:] = [tuple(Mount(point, "ext4") for point in all_points)]

    mount()
    monkeypatch.setattr(mount_guard, "read_mounts", lambda: table[0])
    monkeypatch.setattr(
        mount_guard,
        "mount_of_open",
        lambda fd, mounts: mount_of(os.fsencode(Path(f"/proc/self/fd/{fd}").readlink()), mounts),
    )
    monkeypatch.setattr(mount_guard, "_FSTAB", tmp_path / "fstab")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return mount


def make(folder: Path) -> None:
    folder.mkdir(parents=True)


def look(folder: Path, before: MountIdentity | None = None, required: bool | None = None) -> object:
    return mount_guard.check_mount(folder, before, required=required)


def seen(folder: Path) -> MountIdentity:
    found = mount_guard.check_mount(folder, None, required=None)
    assert found is not None
    return found


@pytest.fixture
def disk(tmp_path: Path, mounted: Mounted) -> Path:
    point = tmp_path / "media" / "disk"
    (point / "out").mkdir(parents=True)
    mounted(point)
    return point


def gone(disk: Path, mounted: Mounted) -> None:
    disk.rename(disk.with_name("elsewhere"))
    mounted()


def test_a_folder_that_nobody_saw_may_be_made(tmp_path: Path) -> None:
    assert look(tmp_path / "new" / "out") is None
    with mount_guard.hold_mount(tmp_path / "new" / "out", None, required=None, make=make) as found:
        assert found == seen(tmp_path / "new" / "out")
        assert found.mount == Path("/")


def test_a_folder_on_the_system_disk_may_be_made_anew(tmp_path: Path) -> None:
    make(tmp_path / "out")
    before = seen(tmp_path / "out")
    (tmp_path / "out").rmdir()
    assert look(tmp_path / "out", before) is None


@pytest.mark.parametrize("leaves", ["nothing", "its mount point", "a folder of that name below"])
def test_a_disk_that_is_gone_is_missed(disk: Path, mounted: Mounted, leaves: str) -> None:
    before = seen(disk / "out")
    assert before.mount == disk
    gone(disk, mounted)
    if leaves != "nothing":
        disk.mkdir()
    if leaves.startswith("a folder"):
        (disk / "out").mkdir()

    with pytest.raises(DiskMissing, match="not mounted") as caught:
        look(disk / "out", before)
    assert "require_mount: false" in str(caught.value.hint)
    with (
        pytest.raises(DiskMissing),
        mount_guard.hold_mount(disk / "out", before, required=None, make=make),
    ):
        pytest.fail("it was held")
    assert (disk / "out").exists() == leaves.startswith("a folder")


def test_it_is_found_again_when_it_is_mounted(disk: Path, mounted: Mounted) -> None:
    before = seen(disk / "out")
    gone(disk, mounted)
    disk.with_name("elsewhere").rename(disk)
    mounted(disk)
    assert look(disk / "out", before) == before


def test_another_disk_at_the_same_place_gets_no_folder_but_may_have_one(disk: Path) -> None:
    before = seen(disk / "out")
    (disk / "out").rmdir()
    with pytest.raises(DiskMissing, match="is not on the disk that is mounted") as caught:
        look(disk / "out", before)
    assert "mkdir" in str(caught.value.hint)
    (disk / "spare").mkdir()
    (disk / "out").mkdir()
    assert look(disk / "out", before) == seen(disk / "out")


def test_a_disk_that_is_mounted_over_a_folder_is_taken_for_its_place(
    tmp_path: Path, mounted: Mounted
) -> None:
    make(tmp_path / "out")
    before = seen(tmp_path / "out")
    mounted(tmp_path / "out")
    found = look(tmp_path / "out", before)
    assert isinstance(found, MountIdentity)
    assert found.mount == tmp_path / "out"


def test_the_same_folder_without_its_bind_mount_is_the_same(disk: Path, mounted: Mounted) -> None:
    before = seen(disk / "out")
    mounted()
    assert look(disk / "out", before) == MountIdentity(Path("/"), before.device, before.inode)


def test_a_link_that_leads_elsewhere_now_is_followed(tmp_path: Path, disk: Path) -> None:
    link = tmp_path / "outbox"
    link.symlink_to(disk / "out")
    before = seen(link)
    assert before.mount == disk
    make(tmp_path / "here")
    link.unlink()
    link.symlink_to(tmp_path / "here")
    assert look(link, before) == seen(tmp_path / "here")


def test_a_link_to_a_disk_that_is_gone_misses_it(
    tmp_path: Path, disk: Path, mounted: Mounted
) -> None:
    link = tmp_path / "outbox"
    link.symlink_to(disk / "out")
    before = seen(link)
    gone(disk, mounted)
    with pytest.raises(DiskMissing, match="not mounted"):
        look(link, before)


def test_whoever_wants_no_guard_has_none(disk: Path, mounted: Mounted) -> None:
    before = seen(disk / "out")
    gone(disk, mounted)
    assert look(disk / "out", before, required=False) is None


def test_a_disk_can_be_demanded_before_it_was_ever_seen(tmp_path: Path, disk: Path) -> None:
    assert look(disk / "out", required=True) == seen(disk / "out")
    for folder in (tmp_path / "home" / "out", tmp_path / "out"):
        with pytest.raises(DiskMissing, match="require_mount"):
            look(folder, required=True)


def test_the_home_is_no_disk_of_its_own(tmp_path: Path, mounted: Mounted) -> None:
    make(tmp_path / "home" / "out")
    mounted(tmp_path / "home")
    with pytest.raises(DiskMissing):
        look(tmp_path / "home" / "out", required=True)
    before = seen(tmp_path / "home" / "out")
    (tmp_path / "home" / "out").rmdir()
    assert look(tmp_path / "home" / "out", before) is None


@pytest.mark.parametrize("name", ["nas", "my nas", "caf\udce9"])
def test_a_disk_that_fstab_promises_is_waited_for(
    tmp_path: Path, mounted: Mounted, name: str
) -> None:
    point = tmp_path / name
    escaped = os.fsencode(point).replace(b" ", b"\\040")
    (tmp_path / "fstab").write_bytes(
        b"# a comment\n\nUUID=1 / ext4 defaults 0 1\nUUID=2 none swap sw 0 0\n"
        b"nas:/x " + escaped + b" nfs noauto 0 0\n"
    )
    with pytest.raises(DiskMissing, match="fstab"):
        look(point / "out")
    assert look(point / "out", required=False) is None
    mounted(point)
    assert look(point / "out") is None
    mounted()
    # A folder that stands there was put there by somebody.
    make(point / "out")
    assert look(point / "out") == seen(point / "out")


def test_a_file_in_its_way_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        look(tmp_path / "out")


def test_without_proc_there_is_no_guard(
    disk: Path, mounted: Mounted, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = seen(disk / "out")
    gone(disk, mounted)
    monkeypatch.setattr(mount_guard, "mount_of_open", lambda *_: None)
    assert look(disk / "out", before) is None
