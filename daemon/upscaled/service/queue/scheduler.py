"""Which job goes next: pure, with no clock but the one given.

Higher priority goes first, and who waits grows older: one step of priority each minute. Among
equals a run of jobs that share a resident model goes on, for a minute at most, so that the model
is not loaded anew for each image; then the rule that waits longest for its turn has it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from upscaled.store.jobs import Ready

DEPTH = 3
"""Jobs in the worker at once: one being decoded, one on the device, one being encoded."""
AGE_S = 60.0
"""So long a rule waits for one step of priority more: none starves behind an endless stream."""
RUN_S = 60.0
RUN_JOBS = 64
"""Limits of a run of one model while another waits. Loading one takes seconds."""
SUSPECT_S = 300.0
"""After so long a suspect does not wait any more until nothing else is ready."""


@dataclass(frozen=True, slots=True)
class Flying:
    """What the choice has to know of a job that runs."""

    rule: str
    suspect: bool


@dataclass(slots=True)
class _Run:
    """Jobs of one model, one after the other on one device."""

    model: str
    since: float
    jobs: int = 0

    def goes_on(self, now: float) -> bool:
        return now - self.since < RUN_S and self.jobs < RUN_JOBS


@dataclass(slots=True)
class Turns:
    """Who had a turn, and who waits since when; times are monotonic seconds."""

    _last_rules: list[str] = field(default_factory=list)
    """The rule that had its turn last stands last."""
    _waiting: dict[tuple[str, bool], float] = field(default_factory=dict)
    """Since when each rule (and its suspects) has had something ready, and no turn."""
    _runs: dict[str, _Run] = field(default_factory=dict)

    def choose(
        self, ready: Sequence[Ready], flying: Collection[Flying], device: str, now: float
    ) -> Ready | None:
        """The next job for this device, in whose worker `flying` are; None: none fits now.

        `ready` is all that could be claimed, whatever the device. Suspects run alone.
        """
        self._keep_waiting(ready, now)
        if len(flying) >= DEPTH or any(job.suspect for job in flying):
            return None
        suspects = [r for r in ready if r.suspect]
        overdue = [r for r in suspects if self._waited_s(r, now) >= SUSPECT_S]
        if overdue:
            # What flies comes to its end first.
            return None if flying else self._first(overdue, device, now)
        busy = {job.rule for job in flying}
        fits = [r for r in ready if not r.suspect and not (r.probe and r.rule in busy)]
        if not fits and not flying:
            fits = suspects
        return self._first(fits, device, now)

    def take(self, chosen: Ready, device: str, now: float) -> None:
        """It was claimed for this device."""
        if chosen.rule in self._last_rules:
            self._last_rules.remove(chosen.rule)
        self._last_rules.append(chosen.rule)
        self._waiting.pop((chosen.rule, chosen.suspect), None)
        run = self._runs.get(device)
        if run is None or run.model != chosen.model or not run.goes_on(now):
            run = self._runs[device] = _Run(chosen.model, now)
        run.jobs += 1

    def _keep_waiting(self, ready: Sequence[Ready], now: float) -> None:
        self._waiting = {
            (r.rule, r.suspect): self._waiting.get((r.rule, r.suspect), now) for r in ready
        }

    def _waited_s(self, ready: Ready, now: float) -> float:
        return now - self._waiting[ready.rule, ready.suspect]

    def _first(self, fits: Sequence[Ready], device: str, now: float) -> Ready | None:
        run = self._runs.get(device)
        if run is not None and run.goes_on(now):
            fits = self._within_run(fits, run, now)
        turns = {rule: turn for turn, rule in enumerate(self._last_rules)}

        def order(r: Ready) -> tuple[int, bool, int, int]:
            # A run that is over makes room for another model.
            again = run is not None and r.model == run.model
            return -self._rank(r, now), again, turns.get(r.rule, -1), r.job_id

        return min(fits, key=order, default=None)

    def _rank(self, ready: Ready, now: float) -> int:
        return ready.priority + int(self._waited_s(ready, now) / AGE_S)

    def _within_run(self, fits: Sequence[Ready], run: _Run, now: float) -> Sequence[Ready]:
        """Those that go on with the run, or break it; equals wait for its end."""
        same = [r for r in fits if r.model == run.model]
        top = max((r.priority for r in same), default=None)
        if top is None:
            return fits
        rivals = [r for r in fits if r.priority > top or r.priority < top < self._rank(r, now)]
        return rivals or [r for r in same if r.priority == top]
