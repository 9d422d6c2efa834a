"""A job in a worker, and how far it is."""

from dataclasses import dataclass

from upscaled.config.settings import MAX_ATTEMPTS
from upscaled.job import Order
from upscaled.outcomes import Result
from upscaled.worker.messages import Progressed

_QUEUED = "queued"
_UNBEGUN = frozenset((_QUEUED, "decode", "ready", "load"))
"""Stages of a job at which nothing is lost with the worker."""


@dataclass(slots=True)
class InFlight:
    order: Order
    suspect: bool
    since: float
    timeout_s: float | None = None
    max_attempts: int = MAX_ATTEMPTS
    first_since: float | None = None
    """Since when it is the oldest in the worker, which alone waits for nobody."""
    stage: str = _QUEUED
    stage_since: float = 0.0
    done: int = 0
    total: int = 1
    result_px: int = 0
    content_sha256: str | None = None
    announced: Result | None = None
    """What it was about to publish when it was last heard of."""
    is_nobodys: bool = False
    """No rule takes its picture."""

    @property
    def is_begun(self) -> bool:
        """Whether work on its pixels would be lost with the worker."""
        return self.stage not in _UNBEGUN

    def progress(self, told: Progressed, now: float) -> None:
        if self.stage != told.stage:
            self.stage, self.stage_since = told.stage, now
        self.done, self.total = told.done, told.total
        self.result_px = told.result_px or self.result_px
