"""One job is killed, or refused, at each system call that decides over durability.

strace's injection hits the n-th call of a kind, for every n until the job completes without being
hit. Then it is run again, as systemd would, and all must be as if nothing had happened. What runs
is `one_job.py`; see there what of it is real. The short forms leave out most of the 4096-byte
page writes of SQLite and most pairs of call and error; the soak forms leave out nothing.
"""

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from crash_stage import STILL_WAITING, Stage, Zygote, headline, tree

from upscaled.delivery import Delivery

CALLS = (
    *("fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat"),
    *("unlink", "unlinkat", "ftruncate", "mkdir", "mkdirat", "write"),
)
PAGES = "pwrite64"
PAGE_STRIDE = 13
ERRORS = ("EIO", "ENOSPC", "EROFS")
POLICIES = ("keep", "delete", "move", "move far", "trash")
MOST_POINTS = 500
NAME = "a.png"


class Sweep:
    """Runs of the same job in fresh folders, each disturbed at another point."""

    def __init__(self, folder: Path, far: Path, zygote: Zygote, on_success: str) -> None:
        self.folder, self.far, self.zygote = folder, far, zygote
        self.on_success = on_success
        self.points = 0
        calm = self.stage()
        self.source = tree(calm.inbox)
        assert calm.run() == 0
        self.expected = tree(calm.outbox)
        assert list(self.expected) == ["a_4x.png"]
        self.check(calm)

    def stage(self) -> Stage:
        root = self.folder / "stage"
        shutil.rmtree(root, ignore_errors=True)
        shutil.rmtree(self.far, ignore_errors=True)
        archive = {"move": root / "originals", "move far": self.far}.get(self.on_success)
        stage = Stage(
            root,
            self.zygote,
            Delivery(
                root / "out",
                on_success=self.on_success.split()[0],
                success_folder=archive,
            ),
        )
        stage.drop(NAME)
        return stage

    def kill(self, call: str, stride: int = 1, also: Sequence[str] = ()) -> None:
        """At each call of this kind, or at each `stride`-th; `also`: what else strace does."""
        for n in range(1, MOST_POINTS, stride):
            stage = self.stage()
            killed = stage.run(*inject(call, f"signal=KILL:when={n}"), *also)
            if killed == 0:
                return
            assert killed == -9, (call, n, stage.log)
            self.points += 1
            assert stage.run() == 0, (call, n, stage.log)
            self.check(stage, f"killed at {call} number {n}", most_attempts=2)
        pytest.fail(f"{call} has no end")

    def refuse(self, call: str, errors: Iterator[str], *, lasting: bool = False) -> None:
        """Each call of this kind fails, once or from then on; then the fault is lifted."""
        for n in range(1, MOST_POINTS):
            error = next(errors)
            stage = self.stage()
            trace = self.folder / "trace"
            when = f"{n}+" if lasting else str(n)
            ended = stage.run(*inject(call, f"error={error}:when={when}", str(trace)))
            if "(INJECTED)" not in trace.read_text(encoding="utf-8", errors="replace"):
                return
            self.points += 1
            # 1: the store was hit, the daemon ends and is started again. 3: something waits.
            assert ended in ({0, 1, STILL_WAITING} if lasting else {0, 1}), (call, n, stage.log)
            assert stage.run() == 0, (call, n, error, stage.log)
            self.check(
                stage, f"{error} at {call} number {when}", most_attempts=2 if ended == 1 else 1
            )
        pytest.fail(f"{call} has no end")

    def check(self, stage: Stage, what: str = "", most_attempts: int = 1) -> None:
        """Exactly one complete result, the job done, nothing beside it, the source by its rule."""
        what = f"{what}\n{stage.log}"
        jobs = stage.jobs()
        assert [job[:2] for job in jobs] == [(NAME, "done")], (jobs, what)
        assert 1 <= jobs[0][2] <= most_attempts, (jobs, what)
        assert tree(stage.outbox) == self.expected, what
        left = tree(stage.inbox)
        assert left == (self.source if self.on_success == "keep" else {}), what
        if self.on_success == "trash":
            thrown = tree(stage.root / "data" / "Trash" / "files")
            assert list(thrown.values()) == list(self.source.values()), what
        if (archive := stage.delivery.success_folder) is not None:
            assert tree(archive) == self.source, what


def inject(call: str, what: str, trace: str = "/dev/null") -> tuple[str, ...]:
    # The question mark: not every machine has every call.
    return ("-e", f"trace=?{call}", "-e", f"inject=?{call}:{what}", "-o", trace)


MakeSweep = Callable[[str], Sweep]


@pytest.fixture
def make_sweep(tmp_path: Path, zygote: Zygote) -> Iterator[MakeSweep]:
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="upscaled-") as far:
        yield lambda on_success: Sweep(tmp_path, Path(far) / "originals", zygote, on_success)


@pytest.mark.parametrize(
    ("on_success", "calls"),
    [
        ("move far", CALLS),
        # What comes before is the same for all; the calls that end a source are not.
        ("keep", ("rename", "renameat2", "mkdir")),
        ("delete", ("rename", "unlink")),
        ("move", ("rename", "renameat2")),
        ("trash", ("rename", "mkdir", "write")),
    ],
)
def test_a_kill_at_any_call_leaves_nothing_lost_doubled_or_half_written(
    make_sweep: MakeSweep, on_success: str, calls: Sequence[str]
) -> None:
    sweep = make_sweep(on_success)

    for call in calls:
        sweep.kill(call)

    headline(f"{sweep.points} crash points: 0 lost, 0 duplicated, 0 half-written")
    assert sweep.points


@pytest.mark.parametrize("on_success", ["move", "move far"])
def test_a_kill_where_no_rename_spares_what_is_there_leaves_no_empty_file(
    make_sweep: MakeSweep, on_success: str
) -> None:
    """As on some FUSE file systems, which know neither hard links."""
    sweep = make_sweep(on_success)
    lacks = []
    for call, error in {"renameat2": "EINVAL", "link": "EPERM", "linkat": "EPERM"}.items():
        lacks += ["-e", f"inject=?{call}:error={error}"]
    every = ("-e", "trace=?rename,?renameat2,?link,?linkat,?unlink", *lacks)

    sweep.kill("rename", also=every)
    sweep.kill("unlink", also=every)

    assert sweep.points > 4


def test_a_kill_between_the_pages_of_the_database_costs_nothing(make_sweep: MakeSweep) -> None:
    sweep = make_sweep("delete")

    sweep.kill(PAGES, PAGE_STRIDE)

    assert sweep.points


def test_a_call_that_fails_once_costs_nothing(make_sweep: MakeSweep) -> None:
    sweep = make_sweep("move far")
    errors = itertools.cycle(ERRORS)

    for call in CALLS:
        sweep.refuse(call, errors)

    headline(f"{sweep.points} refused calls: 0 lost, 0 duplicated, 0 half-written")
    assert sweep.points > 20


@pytest.mark.parametrize("call", ["fsync", "renameat2", "unlink"])
def test_a_call_that_fails_until_the_fault_is_lifted_costs_nothing(
    make_sweep: MakeSweep, call: str
) -> None:
    sweep = make_sweep("move far")

    sweep.refuse(call, itertools.cycle(ERRORS), lasting=True)

    assert sweep.points


@pytest.mark.soak
@pytest.mark.parametrize("on_success", POLICIES)
def test_every_crash_point(make_sweep: MakeSweep, on_success: str) -> None:
    sweep = make_sweep(on_success)
    for call in (*CALLS, PAGES):
        sweep.kill(call)
    headline(f"{on_success}: {sweep.points} crash points: 0 lost, 0 duplicated, 0 half-written")


@pytest.mark.soak
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
@pytest.mark.parametrize("on_success", POLICIES)
def test_every_refusal(make_sweep: MakeSweep, on_success: str, *, lasting: bool) -> None:
    sweep = make_sweep(on_success)
    for call, error in itertools.product((*CALLS, PAGES), ERRORS):
        sweep.refuse(call, itertools.repeat(error), lasting=lasting)
    headline(f"{on_success}: {sweep.points} refused calls: 0 lost, 0 duplicated, 0 half-written")
