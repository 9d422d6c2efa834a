"""What settles below one root, on a real disk and a clock that stands still."""

import os
from pathlib import Path

from support.fakes import FakeClock
from upscaled.cause import Cause
from upscaled.job import Arrival
from upscaled.watch.candidates import Candidates
from upscaled.watch.settle import EMPTY_FACTOR, Hint
from upscaled.watch.spec import InboxSpec

SETTLE_S = 2.0


class Scene:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = FakeClock()
        self.candidates = Candidates(InboxSpec(root, settle_s=SETTLE_S), bytes(root), self.clock)

    def consider(self, name: str) -> None:
        path = os.fsencode(name)
        look = self.candidates.look(path, (self.root / name).lstat())
        self.candidates.consider(path, look, Hint.COMPLETE)

    def arrivals(self) -> list[Arrival]:
        """What settles within the longest window."""
        found = []
        for _ in range(2 * int(EMPTY_FACTOR)):
            self.clock.advance(SETTLE_S)
            found += map(self.candidates.arrival, self.candidates.settled(100))
        return found


def test_a_file_that_became_a_folder_is_dropped_unless_it_is_called_like_an_image(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path)
    for name in ("holiday", "holiday.png"):
        (tmp_path / name).write_bytes(b"bytes")
        scene.consider(name)
        (tmp_path / name).unlink()
        (tmp_path / name).mkdir()

    (odd,) = scene.arrivals()

    assert odd.path == tmp_path / "holiday.png"
    assert odd.reject_reason == "is a directory, not an image"
    assert len(scene.candidates) == 0


def test_an_empty_file_is_told_from_what_is_no_file(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    (tmp_path / "empty.png").touch()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "whole.png").write_bytes(b"bytes")
    for name in ("empty.png", "pipe.png", "whole.png"):
        scene.consider(name)

    found = {arrival.path.stem: arrival for arrival in scene.arrivals()}

    assert found["empty"].reject_cause == Cause.EMPTY
    assert found["pipe"].reject_cause == Cause.NOT_A_FILE
    assert found["whole"].reject_reason is None
