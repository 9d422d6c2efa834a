"""The power goes at any point of a job, and what was not synced is lost, wholly or in part.

What runs is `one_job.py`, traced once; `crash_power` replays what it did on a model of a disk.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from crash_power import TRACE, Op, cuts, parse
from crash_stage import Stage, Zygote, headline, tree

from upscaled.delivery import Delivery

NAME = "a.png"


class Loss:
    def __init__(self, folder: Path, zygote: Zygote, on_success: str) -> None:
        self.folder, self.zygote, self.on_success = folder, zygote, on_success
        self.root = folder / "stage"
        self.first = folder / "first"
        (folder / "attic").mkdir()
        self.delivery = Delivery(
            self.root / "out" / "deep", on_success=on_success, success_folder=self.root / "kept"
        )
        self.stage = Stage(self.root, zygote, self.delivery)
        self.stage.drop(NAME)
        # Its inode is part of a source's identity: copies of the folder are links.
        shutil.copytree(self.root, self.first, copy_function=lambda a, b: Path(b).hardlink_to(a))
        self.source = tree(self.stage.inbox)
        self.cuts = 0

    def record(self, *strace: str) -> list[Op]:
        trace = self.folder / "trace"
        ended = self.stage.run(*TRACE, *strace, "-o", str(trace))
        assert ended == (-9 if strace else 0), self.stage.log
        return parse(trace, self.root)

    def start(self) -> None:
        shutil.rmtree(self.root)
        shutil.copytree(self.first, self.root, copy_function=lambda a, b: Path(b).hardlink_to(a))

    def survive(self, ops: list[Op], *, seeds: int, stride: int) -> None:
        expected = tree(self.delivery.folder)
        assert list(expected) == ["a_4x.png"]
        for what in cuts(
            self.root, self.folder / "attic", self.start, ops, seeds=seeds, stride=stride
        ):
            self.cuts += 1
            left = tree(self.root)
            assert self.stage.run() == 0, (what, self.stage.log)
            self.check(expected, f"{what}\n{left}\n{self.stage.log}")

    def check(self, expected: dict[str, str], what: str) -> None:
        assert tree(self.delivery.folder) == expected, what
        inbox = tree(self.stage.inbox)
        assert inbox == (self.source if self.on_success == "keep" else {}), what
        if self.on_success == "move":
            assert tree(self.root / "kept") == self.source, what
        jobs = self.stage.jobs()
        # Where the database was lost too, a source that is gone is no job any more.
        assert [job[1] for job in jobs] in (["done"], [] if not inbox else ["done"]), (jobs, what)


MakeLoss = Callable[[str], Loss]


@pytest.fixture
def make_loss(tmp_path: Path, zygote: Zygote) -> MakeLoss:
    return lambda on_success: Loss(tmp_path, zygote, on_success)


@pytest.mark.parametrize("on_success", ["keep", "delete", "move"])
def test_a_power_cut_at_any_point_leaves_nothing_lost_doubled_or_half_written(
    make_loss: MakeLoss, on_success: str
) -> None:
    loss = make_loss(on_success)

    loss.survive(loss.record(), seeds=1, stride=9)

    headline(f"{loss.cuts} power cuts: 0 lost, 0 duplicated, 0 half-written")
    assert loss.cuts > 30


def test_a_power_cut_after_a_crash_finds_nothing_that_recovery_took_for_safe(
    make_loss: MakeLoss,
) -> None:
    loss = make_loss("delete")
    loss.record()
    last = number_of_sync(loss.folder / "trace", loss.delivery.folder)
    loss.start()
    # The result has its name, and is killed before its folder is synced.
    crash = loss.record("-e", f"inject=fsync:signal=KILL:when={last}")
    recovery = loss.record()

    loss.survive(crash + recovery, seeds=1, stride=20)

    assert loss.cuts > 30


def number_of_sync(trace: Path, folder: Path) -> int:
    """Which of the calls of fsync is the first of this folder."""
    calls = [line for line in trace.read_text().splitlines() if line.startswith("fsync(")]
    name = "".join(f"\\x{byte:02x}" for byte in os.fsencode(folder))
    return 1 + next(n for n, call in enumerate(calls) if f"<{name}>" in call)


@pytest.mark.soak
@pytest.mark.parametrize("on_success", ["keep", "delete", "move"])
def test_every_power_cut(make_loss: MakeLoss, on_success: str) -> None:
    loss = make_loss(on_success)
    loss.survive(loss.record(), seeds=5, stride=1)
    headline(f"{loss.cuts} power cuts: 0 lost, 0 duplicated, 0 half-written")
