"""The seam behind which jobs are done: a child process, or (in tests) a thread."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from upscaled.worker.messages import FromWorker, ToWorker


@dataclass(frozen=True, slots=True)
class Said:
    """The executor has something to say."""

    executor: "Executor"
    message: FromWorker


@dataclass(frozen=True, slots=True)
class Died:
    """The executor is no more: nothing more will be said, no file is written any more."""

    executor: "Executor"
    reason: str
    exit_code: int | None
    """Negative: the signal that killed it."""


Deliver = Callable[[Said | Died], None]
"""May be called from any thread."""


class Executor(Protocol):
    """Takes orders and answers each by exactly one `Finished`, or dies.

    Every `Identified` and `Announced` has to be answered before the job goes on.
    """

    @property
    def pid(self) -> int: ...

    def send(self, message: ToWorker) -> None:
        """Never raises: where nobody listens any more, `Died` is under way."""
        ...

    def kill(self) -> None:
        """At once; `Died` follows."""
        ...
