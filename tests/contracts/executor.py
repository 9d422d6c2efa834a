"""What every `Executor` keeps: run on the twin in memory and on the real process alike."""

from collections.abc import Callable
from dataclasses import replace
from queue import Empty, SimpleQueue

import pytest

from upscaled.job import Order
from upscaled.outcomes import Done, Duplicate, Interrupted, Result, Vanished
from upscaled.output.publish import sha256_of
from upscaled.service.workers.executor import Deliver, Died, Executor, Said
from upscaled.worker.messages import (
    Announced,
    Beat,
    Committed,
    DuplicateVerdict,
    Finished,
    FromWorker,
    Identified,
    Run,
    Stop,
    Unusable,
)

Make = Callable[[Deliver], Executor]


class Heard:
    """What an executor delivers, answered as the supervisor answers."""

    def __init__(self, make: Make, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.events: SimpleQueue[Said | Died] = SimpleQueue()
        self.said: list[FromWorker] = []
        self.ended: list[Finished] = []
        self.died: Died | None = None
        self.twin: Duplicate | None = None
        self.executor = make(self.events.put)

    def listen(self, enough: Callable[[], bool]) -> None:
        while not enough():
            try:
                event = self.events.get(timeout=self.timeout_s)
            except Empty:
                pytest.fail(f"nothing for {self.timeout_s:g} s; so far {self.said}")
            assert event.executor is self.executor
            assert self.died is None, "the dead do not speak"
            if isinstance(event, Died):
                self.died = event
            else:
                self._answer(event.message)

    def _answer(self, message: FromWorker) -> None:
        self.said.append(message)
        match message:
            case Identified(job_id):
                self.executor.send(DuplicateVerdict(job_id, self.twin))
            case Announced(job_id, result):
                assert not result.path.exists()
                self.executor.send(Committed(job_id))
            case Finished():
                self.ended.append(message)
            case Unusable():
                pytest.fail(f"the model cannot be used: {message}")

    def run(self, order: Order) -> Finished:
        """The whole job."""
        before = len(self.ended)
        self.executor.send(Run(order))
        self.listen(lambda: len(self.ended) > before)
        return self.ended[-1]

    def about(self, job_id: int) -> list[str]:
        """What was said of a job, each kind once where it was said in a row."""
        kinds = [type(m).__name__ for m in self.said if getattr(m, "job_id", None) == job_id]
        return [kind for n, kind in enumerate(kinds) if n == 0 or kinds[n - 1] != kind]


def exercise(make: Make, order: Order, timeout_s: float) -> None:
    """Raises AssertionError where the contract of `service/workers/executor.py` is broken.

    `order` is one at a real image; other orders are made of it.
    """
    heard = Heard(make, timeout_s)
    try:
        assert heard.executor.pid > 0
        heard.listen(lambda: any(isinstance(message, Beat) for message in heard.said))
        result = _does_a_job(heard, order)
        _takes_the_result_of_a_twin(heard, replace(order, job_id=2), result)
        _tells_what_is_gone(heard, replace(order, job_id=3, source=order.source / "none"))
        _answers_every_job_when_it_is_stopped(heard, order)
    finally:
        heard.executor.kill()
    heard.executor.send(Run(order))

    killed = Heard(make, timeout_s)
    killed.listen(lambda: bool(killed.said))
    killed.executor.kill()
    killed.executor.kill()
    killed.listen(lambda: killed.died is not None)
    assert killed.died
    assert killed.died.exit_code == -9
    assert "SIGKILL" in killed.died.reason
    killed.executor.send(Stop())


def _does_a_job(heard: Heard, order: Order) -> Result:
    ended = heard.run(order)
    assert isinstance(ended.outcome, Done), ended
    kinds = [kind for kind in heard.about(order.job_id) if kind != "Progressed"]
    assert kinds == ["Identified", "Announced", "Finished"]
    announced = [message for message in heard.said if isinstance(message, Announced)]
    assert [message.result for message in announced] == [ended.outcome.result]
    return ended.outcome.result


def _takes_the_result_of_a_twin(heard: Heard, order: Order, result: Result) -> None:
    if not result.path.exists():  # the twin in memory makes no files
        result = replace(result, path=order.source, sha256=sha256_of(order.source) or "")
    heard.twin = Duplicate(77, result)
    # Under a name of its own, so that there is something to announce.
    ended = heard.run(replace(order, delivery=replace(order.delivery, name="twin-{stem}.{ext}")))
    heard.twin = None
    assert isinstance(ended.outcome, Done)
    assert ended.outcome.duplicate_of == 77
    assert ended.outcome.result.sha256 == result.sha256


def _tells_what_is_gone(heard: Heard, order: Order) -> None:
    assert heard.run(order) == Finished(order.job_id, Vanished())


def _answers_every_job_when_it_is_stopped(heard: Heard, order: Order) -> None:
    ids = [11, 12, 13]
    before = len(heard.ended)
    for job_id in ids:
        heard.executor.send(Run(replace(order, job_id=job_id)))
    heard.executor.send(Stop())
    heard.listen(lambda: heard.died is not None)
    ended = heard.ended[before:]
    assert sorted(finished.job_id for finished in ended) == ids
    assert all(isinstance(finished.outcome, Interrupted | Done) for finished in ended)
    assert heard.died
    assert heard.died.exit_code == 0
