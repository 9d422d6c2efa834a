"""An attempt at a job: claimed, told about while it runs, and how it ended."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from upscaled import codec
from upscaled.delivery import Delivery
from upscaled.job import Order
from upscaled.outcomes import Duplicate, Result
from upscaled.recipe import Recipe
from upscaled.store import retry
from upscaled.store.columns import (
    FINGERPRINT,
    RESULT,
    SET_RESULT,
    fingerprint,
    result,
    result_columns,
)
from upscaled.store.database import InSession, transaction

# A time further away than any delay was set by a clock that has been put back since.
_IS_DUE = f"(not_before <= :now OR not_before > :now + {retry.LONGEST_S})"
_IS_ON = f"(until IS NULL OR (until > :now AND until <= :now + {retry.LONGEST_S}))"

_PAUSED = f"SELECT rule, {_IS_ON} FROM pause"

_RETRIES = """
SELECT DISTINCT rule FROM job INDEXED BY job_later
WHERE state = 'waiting' AND not_before > 0 AND not_before > :now AND not_before <= :until
    AND attempts > 0
"""

_NEXT = f"""
SELECT job.id, path, relative, attempts + 1, recipe, delivery, job.priority, {FINGERPRINT}
FROM job JOIN recipe ON recipe.id = recipe_id
WHERE state = 'waiting' AND rule = :rule AND suspect = :suspect AND {_IS_DUE}
ORDER BY job.priority DESC, job.id LIMIT 1
"""

_WAKE = f"""
SELECT min(t) FROM (
    SELECT min(not_before) AS t FROM job INDEXED BY job_later
    WHERE state = 'waiting' AND not_before > 0 AND not_before > :now
        AND not_before <= :now + {retry.LONGEST_S}
    UNION ALL
    SELECT min(until) FROM pause WHERE {_IS_ON})
"""

_MADE_BY = """
WITH RECURSIVE line (id, rule, source, steps) AS (
    SELECT id, rule, content_sha256, 1 FROM job
    WHERE state = 'done' AND output_sha256 = ? AND content_sha256 <> output_sha256
    UNION
    SELECT j.id, j.rule, j.content_sha256, steps + 1 FROM line JOIN job j
        ON j.state = 'done' AND j.output_sha256 = line.source AND steps < 20
)
SELECT id FROM line WHERE rule = ? ORDER BY steps, id LIMIT 1
"""

_TWIN = f"""
SELECT old.id, {", ".join(f"old.{column}" for column in RESULT.split(", "))}
FROM job old JOIN recipe r ON r.id = old.recipe_id,
     job new JOIN recipe s ON s.id = new.recipe_id
WHERE new.id = ? AND old.rule = new.rule AND old.content_sha256 = ? AND old.state = 'done'
    AND r.pixels_digest = s.pixels_digest
ORDER BY old.id DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Ready:
    """What a rule has to offer now. Suspects (their worker died) have to run alone."""

    rule: str
    suspect: bool
    priority: int
    job_id: int
    probe: bool = False
    """The rule was paused by its environment: one job at a time finds out if it still is."""
    model: str = ""
    """Equal for jobs that can share one loaded network."""


@lru_cache(maxsize=256)
def _network(recipe: str) -> str:
    """Of a stored recipe; asked for many times a second, of few."""
    found = codec.loads(recipe, Recipe)
    return f"{found.precision} {found.tile_px} {found.model}"


class Attempts(InSession):
    @transaction
    def ready(self, rules: Iterable[str], now: float) -> tuple[Ready, ...]:
        """The first job of each of these rules that could be claimed now.

        A few index look-ups for each rule, however long the queue is. Jobs of rules that are
        not named (removed from the configuration) are held.
        """
        pauses = self._session.rows(_PAUSED, {"now": now})
        paused = {rule for rule, is_on in pauses if is_on}
        if "" in paused:
            return ()
        found = []
        for rule in rules:
            if rule in paused:
                continue
            for suspect in (False, True):
                row = self._session.row(_NEXT, {"rule": rule, "suspect": int(suspect), "now": now})
                if row is not None:
                    probe = (rule, 0) in pauses
                    found.append(Ready(rule, suspect, row[6], row[0], probe, _network(row[4])))
        return tuple(found)

    @transaction
    def next_wake(self, now: float) -> float | None:
        """When the next waiting job or paused rule is due, as wall time; None: nothing waits."""
        row = self._session.row(_WAKE, {"now": now})
        return None if row is None or row[0] is None else float(row[0])

    @transaction
    def retries(self, rules: Iterable[str], now: float, within_s: float) -> bool:
        """Whether a file of these rules that may still be arriving is tried again so soon."""
        on = {rule for rule, is_on in self._session.rows(_PAUSED, {"now": now}) if is_on}
        if "" in on:
            return False
        rows = self._session.rows(_RETRIES, {"now": now, "until": now + within_s})
        return any(rule in rules and rule not in on for (rule,) in rows)

    @transaction
    def claim(self, ready: Ready, owner: str, now: float) -> Order | None:
        """Take the next job of this rule; its attempt is counted before any work."""
        values = {"rule": ready.rule, "suspect": int(ready.suspect), "now": now}
        with self._session.write() as conn:
            row = self._session.row(_NEXT, values)
            if row is None:
                return None
            order = Order(
                job_id=row[0],
                rule=ready.rule,
                source=Path(os.fsdecode(row[1])),
                relative=Path(os.fsdecode(row[2])),
                fingerprint=fingerprint(row[7:]),
                recipe=codec.loads(row[4], Recipe),
                delivery=codec.loads(row[5], Delivery),
                attempt=row[3],
            )
            conn.execute(
                "UPDATE job SET state = 'running', owner = ?, attempts = attempts + 1, "
                "claimed_at = ?, content_sha256 = NULL, output = NULL, output_sha256 = NULL "
                "WHERE id = ?",
                (owner, now, order.job_id),
            )
            self._session.note(order.job_id, now, "claimed", f"attempt {order.attempt}")
        return order

    @transaction
    def identify(self, job_id: int, content_sha256: str) -> Duplicate | None:
        """Keep what the source's bytes are; an earlier result of the same, if there is one."""
        with self._session.write() as conn:
            conn.execute(
                "UPDATE job SET content_sha256 = ? WHERE id = ? AND state = 'running'",
                (content_sha256, job_id),
            )
            row = self._session.row(_TWIN, (job_id, content_sha256))
        return None if row is None else Duplicate(row[0], result(row[1:]))

    @transaction
    def made_by(self, rule: str, content_sha256: str) -> int | None:
        """The job of `rule` whose result these bytes are, or were made from by other rules.

        A result that comes back to where it came from would go round for ever.
        """
        row = self._session.row(_MADE_BY, (content_sha256, rule))
        return None if row is None else int(row[0])

    @transaction
    def publishing(self, job_id: int, about_to: Result) -> None:
        """Keep what is about to get its final name, so that a crash after it is seen as done."""
        with self._session.write() as conn:
            conn.execute(
                f"UPDATE job SET {SET_RESULT} WHERE id = ? AND state = 'running'",
                (*result_columns(about_to), job_id),
            )
