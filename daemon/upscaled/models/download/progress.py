"""What a fetch tells while it runs, and how it is told to stop."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class FetchStage(StrEnum):
    WAITING = "waiting"
    """Another process fetches the same model."""
    DOWNLOADING = "downloading"
    CHECKING = "checking"
    CONVERTING = "converting"


@dataclass(frozen=True, slots=True)
class FetchProgress:
    model: str
    """As the caller wrote it."""
    stage: FetchStage
    done_bytes: int = 0
    total_bytes: int | None = None


OnProgress = Callable[[FetchProgress], None]
Cancelled = Callable[[], bool]


def ignore(_: FetchProgress) -> None:
    """Progress that nobody watches."""


def never() -> bool:
    """A fetch that nobody stops."""
    return False


@dataclass(frozen=True, slots=True)
class Watch:
    """One fetch, seen from outside: whom to tell, whom to ask."""

    model: str
    on_progress: OnProgress = ignore
    cancelled: Cancelled = never

    def report(
        self, stage: FetchStage, done_bytes: int = 0, total_bytes: int | None = None
    ) -> None:
        self.on_progress(FetchProgress(self.model, stage, done_bytes, total_bytes))

    def waiting(self) -> None:
        self.report(FetchStage.WAITING)
