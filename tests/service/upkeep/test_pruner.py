"""Once a day the past is forgotten; a file that still lies in its inbox never is."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import Eventually
from support.fakes import FakeClock
from upscaled.delivery import Delivery
from upscaled.filesystem.mount_guard import check_mount
from upscaled.job import Arrival
from upscaled.outcomes import Failed
from upscaled.output.source_cleanup import fingerprint
from upscaled.recipe import Recipe
from upscaled.service.events import PruneScanned
from upscaled.service.upkeep.pruner import (
    FIRST_S,
    PAGE,
    ROUND_S,
    Pruner,
    is_gone,
    look_in_background,
)
from upscaled.store.jobs import Store
from upscaled.store.pruning import Past

DAY_S = 86_400.0


def past(path: Path) -> Past:
    found = fingerprint(path)
    assert found is not None
    return Past(1, path, Path("deep"), found, is_known=True)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "inbox" / "deep" / "caf\udce9.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"photo")
    return path


def test_a_file_that_is_there_is_not_gone(photo: Path) -> None:
    assert not is_gone(past(photo))


def test_a_file_that_was_deleted_replaced_or_lost_its_folder_is_gone(photo: Path) -> None:
    before = past(photo)
    photo.write_bytes(b"another photo")
    assert is_gone(before)
    photo.unlink()
    assert is_gone(before)
    photo.parent.rmdir()
    assert is_gone(before)
    photo.parent.write_bytes(b"a file where the folder was")
    assert is_gone(before)


def test_a_disk_that_is_not_mounted_proves_nothing(photo: Path) -> None:
    there = past(photo)
    elsewhere = replace(there, fingerprint=replace(there.fingerprint, device=999_999))
    photo.unlink()
    assert not is_gone(elsewhere)
    photo.write_bytes(b"what the mount point hides")
    assert not is_gone(elsewhere)


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ("nothing", False),
        ("deleted", True),
        ("replaced", True),
        ("its folder is empty: a disk's place", False),
        ("its folder is gone: a disk's place", False),
        ("the inbox is gone", False),
    ],
)
def test_a_disk_whose_number_changed_is_the_same_disk(
    photo: Path, change: str, *, gone: bool
) -> None:
    """As those of NFS, LVM and btrfs do at each start of the machine."""
    inbox = photo.parents[1]
    (photo.parent / "b.png").write_bytes(b"another one")
    there = past(photo)
    renumbered = replace(there, fingerprint=replace(there.fingerprint, device=999_999))
    before = check_mount(inbox, None, required=None)
    if change == "replaced":
        photo.write_bytes(b"another photo")
    elif change != "nothing":
        photo.unlink()
    if change.startswith("its folder"):
        (photo.parent / "b.png").unlink()
    if change.startswith("its folder is gone"):
        photo.parent.rmdir()
    elif change == "the inbox is gone":
        inbox.rename(inbox.with_name("elsewhere"))

    assert is_gone(renumbered, lambda folder: before if folder == inbox else None) == gone
    assert not is_gone(renumbered), "nobody knows what it lay on"


class Scene:
    """A store with jobs that failed long ago, each with a file."""

    def __init__(self, folder: Path, count: int) -> None:
        self.clock = FakeClock()
        self.store = Store.in_memory()
        self.asked: list[tuple[Past, ...]] = []
        self.pruner = Pruner(self.store, self.clock, self.asked.append)
        self.files = [folder / f"{number}.png" for number in range(count)]
        for file in self.files:
            file.write_bytes(b"x")
        self.arrivals = [Arrival(p.source, p.fingerprint) for p in map(past, self.files)]
        self.folder = folder
        assert self.admit() == count
        now = self.clock.now()
        while ready := self.store.ready(["photos"], now):
            order = self.store.claim(ready[0], "me", now)
            assert order is not None
            self.store.record(order.job_id, Failed("bad"), now)
            self.store.disposed(order.job_id, now)

    def admit(self) -> int:
        return self.store.admit(
            "photos",
            self.folder,
            self.arrivals,
            Recipe("m"),
            Delivery(self.folder / "out"),
            now=self.clock.now(),
        )

    def round(self) -> None:
        """Go on until nothing is to be done, and look at real files."""
        self.pruner.step(90 * DAY_S)
        while self.asked or self.pruner.is_busy:
            for pasts in self.asked:
                self.pruner.hear(
                    PruneScanned(
                        tuple(p.job_id for p in pasts if is_gone(p)),
                        tuple(p.job_id for p in pasts if not is_gone(p)),
                    )
                )
            self.asked.clear()
            self.pruner.step(90 * DAY_S)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path, 2 * PAGE + 10)
    yield scene
    scene.store.close()


def test_what_lies_in_the_inbox_stays_known_and_the_rest_is_forgotten(scene: Scene) -> None:
    for file in scene.files[:150]:
        file.unlink()
    scene.clock.advance(91 * DAY_S)

    scene.round()

    assert scene.admit() == 150


def test_nothing_is_looked_at_before_its_time_nor_twice_a_day(scene: Scene) -> None:
    scene.clock.jump(91 * DAY_S)
    scene.pruner.step(90 * DAY_S)
    assert scene.asked == []
    scene.clock.advance(FIRST_S)
    scene.pruner.step(None)
    assert scene.asked == [], "for ever"
    scene.round()
    scene.clock.advance(ROUND_S - 1)
    scene.pruner.step(90 * DAY_S)
    assert scene.asked == []
    scene.clock.advance(1)
    scene.pruner.step(90 * DAY_S)
    assert len(scene.asked) == 1


def test_what_is_young_is_not_looked_at(scene: Scene) -> None:
    scene.clock.advance(89 * DAY_S)
    scene.round()
    assert scene.admit() == 0


def test_a_look_that_never_ends_holds_up_nothing_but_itself(scene: Scene) -> None:
    scene.clock.advance(91 * DAY_S)
    for _ in range(3):
        scene.pruner.step(90 * DAY_S)
        scene.clock.advance(ROUND_S)
    assert len(scene.asked) == 1
    assert not scene.pruner.is_busy


def test_what_left_the_inbox_by_rule_needs_no_look(photo: Path, eventually: Eventually) -> None:
    heard: list[PruneScanned] = []
    there = past(photo)
    look_in_background(
        (there, replace(there, job_id=2, is_known=False)), lambda _: None, heard.append
    )
    eventually(lambda: heard)
    assert heard == [PruneScanned(gone=(2,), there=(1,))]
