"""Which job goes next: pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from upscaled.store.jobs import Ready

DEPTH = 3
"""Jobs in the worker at once: one being decoded, one on the device, one being encoded."""


@dataclass(frozen=True, slots=True)
class Flying:
    """What the choice has to know of a job that runs."""

    rule: str
    suspect: bool


def choose(
    ready: Sequence[Ready], flying: Collection[Flying], last_rules: Sequence[str]
) -> Ready | None:
    """The next job to claim; None: none fits now.

    Suspects run alone, and only when nothing else is waiting to run. Rules of equal priority
    take turns: the one that has waited longest since its last turn goes first.
    """
    if len(flying) >= DEPTH or any(job.suspect for job in flying):
        return None
    busy = {job.rule for job in flying}
    fits = [r for r in ready if not r.suspect and not (r.probe and r.rule in busy)]
    if not fits and not flying:
        fits = [r for r in ready if r.suspect]
    turns = {rule: turn for turn, rule in enumerate(last_rules)}
    return min(fits, key=lambda r: (-r.priority, turns.get(r.rule, -1), r.job_id), default=None)
