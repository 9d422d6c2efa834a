"""Settled files to the queue: the first rule that takes a file gets it, and each with `also:`."""

import logging
from collections.abc import Sequence
from pathlib import Path

from upscaled import rules
from upscaled.clock import Clock
from upscaled.config.settings import RuleSettings
from upscaled.job import Arrival
from upscaled.store.jobs import Store
from upscaled.watch.spec import ArrivalBatch

_log = logging.getLogger(__name__)


class Intake:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def take(self, active: Sequence[RuleSettings], batch: ArrivalBatch) -> int:
        """Queue what is new; the number of files queued."""
        found: dict[tuple[str, Path], tuple[RuleSettings, list[Arrival]]] = {}
        for arrival in batch.arrivals:
            for match in _takers(active, arrival, batch.root):
                if match.rule is not None and match.root is not None:
                    key = match.rule.name, match.root
                    found.setdefault(key, (match.rule, []))[1].append(arrival)
        queued = 0
        for (name, root), (rule, arrivals) in found.items():
            queued += self._store.admit(
                name,
                root,
                arrivals,
                rule.recipe,
                rule.delivery,
                now=self._clock.now(),
                priority=rule.priority,
            )
        for arrival in batch.arrivals:
            if arrival.reject_reason is not None:
                _log.warning("%s %s", arrival.path, arrival.reject_reason)
        if queued:
            _log.info(
                "%d %s queued from %s", queued, "file" if queued == 1 else "files", batch.root
            )
        return queued


def _takers(
    active: Sequence[RuleSettings], arrival: Arrival, root: Path
) -> tuple[rules.Match, ...]:
    """What can never be an image has no size to be judged by, and is told once."""
    if arrival.reject_reason is not None:
        return (rules.match(active, arrival.path, root),)
    size_bytes = arrival.fingerprint.size_bytes
    return rules.takers(active, arrival.path, root, size_bytes=size_bytes)
