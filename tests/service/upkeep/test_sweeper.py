"""Half-written files of earlier runs go, once their disk is there."""

from pathlib import Path

import pytest

from conftest import Eventually
from support.fakes import FakeClock
from upscaled.errors import DiskMissing
from upscaled.filesystem import mount_guard
from upscaled.output import durable
from upscaled.service.events import MountObserved
from upscaled.service.upkeep.sweeper import AGAIN_S, Sweeper

STORE_ID, RUN = "5tore", "5tore-abc"


class Scene:
    def __init__(self, folder: Path) -> None:
        self.outbox = folder / "outbox"
        self.folders = [self.outbox]
        self.clock = FakeClock()
        self.seen: list[MountObserved] = []
        self.sweeper = Sweeper(STORE_ID, RUN, self.clock, lambda _: None, self.seen.append)
        self.earlier = self.put(f"{STORE_ID}-000-1")

    def put(self, mark: str) -> Path:
        (self.outbox / "deep").mkdir(parents=True, exist_ok=True)
        path = durable.temporary(self.outbox / "deep" / "x", mark)
        path.write_bytes(b"half")
        return path

    def step(self) -> None:
        self.sweeper.step(lambda: self.folders)

    def finish(self, eventually: Eventually) -> None:
        threads = list(self.sweeper._threads.values())
        eventually(lambda: not any(thread.is_alive() for thread in threads))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_half_written_files_of_earlier_runs_are_swept_and_no_others(
    scene: Scene, eventually: Eventually
) -> None:
    ours, theirs = scene.put(f"{RUN}-1"), scene.put("0badf00d-1")
    scene.folders.append(scene.outbox / "none")
    scene.step()
    scene.finish(eventually)
    assert not scene.earlier.exists()
    assert (ours.exists(), theirs.exists()) == (True, True)
    assert [event.folder for event in scene.seen] == [scene.outbox]


def test_a_disk_that_was_not_mounted_is_swept_when_it_is(
    scene: Scene,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def missing(*_: object, **__: object) -> None:
        raise DiskMissing("the disk is not mounted")

    with monkeypatch.context() as patch:
        patch.setattr(mount_guard, "check_mount", missing)
        for _ in range(3):
            scene.step()
            scene.finish(eventually)
            scene.clock.advance(AGAIN_S)
    assert scene.earlier.exists()
    assert caplog.text.count("not mounted") == 1
    scene.step()
    scene.finish(eventually)
    assert not scene.earlier.exists()


def test_each_folder_is_swept_once_and_new_ones_are_met(
    scene: Scene, eventually: Eventually, tmp_path: Path
) -> None:
    scene.step()
    scene.finish(eventually)
    again = scene.put(f"{STORE_ID}-000-1")
    scene.clock.advance(AGAIN_S - 1)
    scene.folders.append(tmp_path / "home")
    scene.step()
    assert len(scene.sweeper._threads) == 1
    scene.clock.advance(1)
    scene.step()
    scene.finish(eventually)
    assert again.exists()
    assert len(scene.sweeper._threads) == 2
