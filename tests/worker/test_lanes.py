"""Three lanes side by side, in this process: every job is answered exactly once."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.builders import order
from support.fakes import NearestUpscaler
from upscaled.cause import Cause
from upscaled.errors import DeviceLost, ModelUnavailable
from upscaled.job import Order
from upscaled.outcomes import (
    Done,
    Duplicate,
    Failed,
    Interrupted,
    Retry,
    Snoozed,
    Vanished,
)
from upscaled.recipe import Recipe
from upscaled.worker import lanes as module
from upscaled.worker.lanes import Lanes
from upscaled.worker.messages import (
    Announced,
    Committed,
    DuplicateVerdict,
    Finished,
    FromWorker,
    GaveUp,
    Identified,
    Progressed,
    Unusable,
    Warm,
)

Eventually = Callable[..., None]


class Gated(NearestUpscaler):
    """Waits in the middle of each picture until it is let through."""

    def __init__(self, scale: int = 2) -> None:
        super().__init__(scale)
        self.entered = threading.Semaphore(0)
        self.gate = threading.Semaphore(0)
        self.error: BaseException | None = None

    def upscale(self, pixels: Any, **seams: Any) -> Any:
        self.entered.release()
        while not self.gate.acquire(timeout=0.01):
            if seams["cancelled"]():
                break
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return super().upscale(pixels, **seams)


class FakeResidents:
    """One network for all recipes."""

    def __init__(self, upscaler: NearestUpscaler) -> None:
        self.upscaler = upscaler
        self.errors: dict[str, Exception] = {}
        self.asked: list[Recipe] = []
        self.reports = 0

    def get(self, recipe: Recipe) -> NearestUpscaler:
        self.asked.append(recipe)
        if recipe.model in self.errors:
            raise self.errors[recipe.model]
        return self.upscaler

    def report_learned(self, upscaler: NearestUpscaler) -> None:
        assert upscaler is self.upscaler
        self.reports += 1


class Bench:
    """Lanes, and a supervisor that answers at once (or never, while `silent`)."""

    def __init__(self, upscaler: NearestUpscaler, folder: Path) -> None:
        self.residents = FakeResidents(upscaler)
        self.folder = folder
        self.said: list[FromWorker] = []
        self.silent = False
        self.twin: Duplicate | None = None
        self.stopping = threading.Event()
        self.lanes = Lanes(self.residents, self._hear, self.stopping, mark="mark")
        self.lanes.start()

    def _hear(self, message: FromWorker) -> None:
        self.said.append(message)
        if not self.silent:
            self.answer(message)

    def answer(self, message: FromWorker) -> None:
        match message:
            case Identified(job_id):
                self.lanes.ledger.answer(DuplicateVerdict(job_id, self.twin))
            case Announced(job_id):
                self.lanes.ledger.answer(Committed(job_id))

    def order(self, job_id: int, size: int = 40, **fields: Any) -> Order:
        source = self.folder / f"{job_id}.png"
        rng = np.random.default_rng(job_id)
        Image.fromarray(rng.integers(0, 256, (size, size, 3), np.uint8)).save(source)
        return order(source, self.folder / "out", job_id=job_id, **fields)

    def ended(self) -> dict[int, Any]:
        finished = [message for message in self.said if isinstance(message, Finished)]
        outcomes = {message.job_id: message.outcome for message in finished}
        assert len(outcomes) == len(finished), "a job was answered twice"
        return outcomes

    def stages(self, job_id: int) -> list[str]:
        said = [m for m in self.said if isinstance(m, Progressed) and m.job_id == job_id]
        return list(dict.fromkeys(message.stage for message in said))

    def stop(self) -> None:
        self.stopping.set()
        self.lanes.stop()


@pytest.fixture
def gated() -> Gated:
    return Gated()


@pytest.fixture
def bench(gated: Gated, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(gated, tmp_path)
    yield bench
    bench.silent = False
    for message in list(bench.said):
        bench.answer(message)
    bench.stop()


def test_a_job_goes_through_all_stages(bench: Bench, gated: Gated, eventually: Eventually) -> None:
    gated.gate.release()
    bench.lanes.submit(bench.order(1))
    eventually(lambda: 1 in bench.ended())
    assert isinstance(bench.ended()[1], Done)
    assert bench.stages(1) == ["decode", "ready", "load", "upscale", "encode"]
    progressed = [m for m in bench.said if isinstance(m, Progressed) and m.stage == "upscale"]
    assert progressed[-1].done == progressed[-1].total == 3
    assert (bench.folder / "out" / "1_2x.png").exists()


def test_three_jobs_are_in_flight_at_once(
    bench: Bench, gated: Gated, eventually: Eventually
) -> None:
    """The first is being published and the second is on the device while the third is read."""
    bench.silent = True
    for job_id in (1, 2, 3):
        bench.lanes.submit(bench.order(job_id))

    def say(kind: type, job_id: int) -> None:
        def said() -> list[Any]:
            return [m for m in bench.said if isinstance(m, kind) and m.job_id == job_id]

        eventually(said)
        if (kind, job_id) not in {(Announced, 1), (Identified, 3)}:
            bench.answer(said()[0])

    say(Identified, 1)
    assert gated.entered.acquire(timeout=10)
    gated.gate.release()
    say(Announced, 1)
    say(Identified, 2)
    assert gated.entered.acquire(timeout=10)
    say(Identified, 3)
    assert bench.ended() == {}


def test_no_more_than_one_picture_waits_between_two_lanes(
    bench: Bench, gated: Gated, eventually: Eventually
) -> None:
    for job_id in range(1, 7):
        bench.lanes.submit(bench.order(job_id))
    assert gated.entered.acquire(timeout=10)
    # On the device, between the lanes, and in the hands of the decoder.
    eventually(lambda: sum(isinstance(m, Identified) for m in bench.said) == 3)
    for _ in range(6):
        gated.gate.release()
    eventually(lambda: len(bench.ended()) == 6)
    assert all(isinstance(outcome, Done) for outcome in bench.ended().values())


@pytest.mark.parametrize("silent", [False, True])
def test_stopping_midway_answers_every_job(
    bench: Bench, gated: Gated, eventually: Eventually, silent: bool
) -> None:
    for job_id in range(1, 6):
        bench.lanes.submit(bench.order(job_id))
    assert gated.entered.acquire(timeout=10)
    bench.silent = silent
    bench.stopping.set()
    stopper = threading.Thread(target=bench.lanes.stop)
    stopper.start()
    if silent:  # the supervisor answers late, but it does
        eventually(lambda: any(isinstance(m, Finished) for m in bench.said))
        bench.silent = False
        for message in list(bench.said):
            bench.answer(message)
    stopper.join(10)
    assert not stopper.is_alive()
    assert set(bench.ended()) == {1, 2, 3, 4, 5}
    assert all(isinstance(outcome, Interrupted) for outcome in bench.ended().values())
    assert not (bench.folder / "out").exists()


def test_what_the_device_has_done_is_still_published_when_stopping(
    bench: Bench, gated: Gated, eventually: Eventually
) -> None:
    bench.silent = True
    bench.lanes.submit(bench.order(1))
    eventually(lambda: bench.said)
    eventually(lambda: any(isinstance(m, Identified) for m in bench.said))
    bench.answer(Identified(1, ""))
    gated.gate.release()
    eventually(lambda: any(isinstance(m, Announced) for m in bench.said))
    bench.stopping.set()
    stopper = threading.Thread(target=bench.lanes.stop)
    stopper.start()
    bench.answer(next(m for m in bench.said if isinstance(m, Announced)))
    stopper.join(10)
    assert isinstance(bench.ended()[1], Done)


def test_each_lanes_trouble_is_its_jobs_alone(
    bench: Bench, gated: Gated, eventually: Eventually
) -> None:
    gone, damaged = bench.order(1), bench.order(2)
    gone.source.unlink()
    damaged.source.write_bytes(damaged.source.read_bytes()[:300])
    no_model = bench.order(3, model="missing")
    bench.residents.errors["missing"] = ModelUnavailable("no network", hint="wait")
    in_the_way = bench.order(4, collision="fail")
    (bench.folder / "out").mkdir()
    (bench.folder / "out" / "4_2x.png").write_bytes(b"not ours")
    for _ in range(5):
        gated.gate.release()
    for job in (gone, damaged, no_model, in_the_way, bench.order(5)):
        bench.lanes.submit(job)
    eventually(lambda: len(bench.ended()) == 5)
    ended = bench.ended()
    assert ended[1] == Vanished()
    assert isinstance(ended[2], Retry)
    assert ended[3] == Snoozed("no network", hint="wait", cause=Cause.MODEL_UNAVAILABLE)
    assert isinstance(ended[4], Failed)
    assert isinstance(ended[5], Done)


@pytest.mark.parametrize("lane", ["decode", "device", "encode"])
def test_a_bug_in_one_job_does_not_end_its_lane(
    bench: Bench,
    gated: Gated,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
    lane: str,
) -> None:
    step = {"decode": "prepare", "device": "work", "encode": "deliver"}[lane]
    real, broken = getattr(module.run, step), [True]

    def stumble(*values: Any, **named: Any) -> Any:
        if broken.pop() if broken else False:
            raise RuntimeError("a bug")
        return real(*values, **named)

    monkeypatch.setattr(module.run, step, stumble)
    gated.gate.release()
    gated.gate.release()
    bench.lanes.submit(bench.order(1))
    eventually(lambda: 1 in bench.ended())
    bench.lanes.submit(bench.order(2))
    eventually(lambda: 2 in bench.ended())
    assert isinstance(bench.ended()[1], Failed)
    assert "a bug in upscaled: RuntimeError" in bench.ended()[1].reason
    assert isinstance(bench.ended()[2], Done)


def test_a_model_is_warmed_before_the_first_job(bench: Bench, eventually: Eventually) -> None:
    bench.lanes.submit(Warm("m"))
    eventually(lambda: bench.residents.asked)
    assert bench.residents.asked == [Recipe("m")]


@pytest.mark.parametrize("error", [ModelUnavailable("no network", hint="wait"), OSError("full")])
def test_a_model_that_cannot_be_warmed_is_told_and_the_lane_goes_on(
    bench: Bench, gated: Gated, eventually: Eventually, error: Exception
) -> None:
    bench.residents.errors["m"] = error
    bench.lanes.submit(Warm("m"))
    gated.gate.release()
    bench.lanes.submit(bench.order(1))
    eventually(lambda: 1 in bench.ended())
    (told,) = [message for message in bench.said if isinstance(message, Unusable)]
    assert told.model == "m"
    assert str(error) in told.reason


def test_a_lost_device_ends_the_process(
    bench: Bench, gated: Gated, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: list[int] = []
    reports: list[int] = []

    def exit_(code: int) -> None:
        reports.append(bench.residents.reports)
        codes.append(code)

    monkeypatch.setattr(module.os, "_exit", exit_)
    gated.error = DeviceLost("illegal memory access")
    gated.gate.release()
    bench.lanes.submit(bench.order(1))
    eventually(lambda: codes)
    assert codes == [75]
    assert reports == [1]  # what was learned, first
    assert bench.said[-1] == GaveUp("illegal memory access")
    assert bench.ended() == {}
