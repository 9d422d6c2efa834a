"""The worker process and its twin in memory keep one contract; broken ones do not."""

from pathlib import Path

import pytest
from PIL import Image

from contracts.executor import exercise
from support.builders import order
from support.fakes import FakeExecutor
from support.model_fixtures import CACHE
from upscaled.job import Order
from upscaled.service.workers.executor import Deliver
from upscaled.service.workers.process import WorkerProcess
from upscaled.worker.messages import Begin, Finished, Stop, ToWorker


def begin(models: Path) -> Begin:
    return Begin(
        device="cpu",
        precision="auto",
        memory_bytes=None,
        models_dir=str(models),
        mark="mark",
        learned={},
        access={},
    )


@pytest.fixture
def job(tmp_path: Path) -> Order:
    source = tmp_path / "caf\udce9.png"
    Image.new("RGB", (9, 7), (200, 100, 50)).save(source)
    return order(source, tmp_path / "out", model="realesr-animevideov3")


def test_the_twin_keeps_the_contract(job: Order, tmp_path: Path) -> None:
    exercise(lambda deliver: FakeExecutor(begin(tmp_path), deliver), job, timeout_s=1)


@pytest.mark.usefixtures("animevideo_file")
def test_the_process_keeps_the_contract(job: Order) -> None:
    models = CACHE / "models"
    workers: list[WorkerProcess] = []

    def make(deliver: Deliver) -> WorkerProcess:
        workers.append(WorkerProcess(begin(models), deliver))
        return workers[-1]

    exercise(make, job, timeout_s=60)
    for worker in workers:
        worker.join(10)


class Forgetful(FakeExecutor):
    """Drops what is in flight when it is stopped."""

    def send(self, message: ToWorker) -> None:
        if isinstance(message, Stop):
            self._orders.clear()
        super().send(message)


class Repeating(FakeExecutor):
    """Answers twice."""

    def say(self, message: object) -> None:
        super().say(message)
        if isinstance(message, Finished):
            super().say(message)


class Immortal(FakeExecutor):
    def kill(self) -> None:
        pass


@pytest.mark.parametrize("broken", [Forgetful, Repeating, Immortal])
def test_a_broken_executor_does_not_keep_the_contract(
    broken: type[FakeExecutor], job: Order, tmp_path: Path
) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        exercise(lambda deliver: broken(begin(tmp_path), deliver), job, timeout_s=0.1)
