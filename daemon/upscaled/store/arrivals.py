"""Files that arrive: what is known already, and what is queued."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from upscaled import codec
from upscaled.cause import Cause
from upscaled.delivery import Delivery
from upscaled.job import Arrival
from upscaled.recipe import Recipe
from upscaled.store.columns import FINGERPRINT, fingerprint_columns
from upscaled.store.database import InSession, transaction

# Not by device: its number may be another one after each start of the machine.
_KNOWN = """
SELECT 1 FROM job
WHERE path = ? AND rule = ? AND inode = ? AND size_bytes = ? AND mtime_ns = ? AND known = 1
LIMIT 1
"""

_ADMIT = f"""
INSERT INTO job (rule, path, relative, {FINGERPRINT}, recipe_id, priority, queued_at)
SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE ? OR NOT EXISTS ({_KNOWN})
ON CONFLICT (rule, path) WHERE state IN ('waiting', 'running') DO UPDATE
SET device = excluded.device, inode = excluded.inode, size_bytes = excluded.size_bytes,
    mtime_ns = excluded.mtime_ns, recipe_id = excluded.recipe_id, not_before = 0
WHERE state = 'waiting'
"""

_REFUSE = f"""
INSERT INTO job (rule, path, relative, {FINGERPRINT}, recipe_id, state, cause, reason,
                 queued_at, finished_at)
SELECT ?, ?, ?, ?, ?, ?, ?, ?, 'failed', ?, ?, ?, ?
WHERE ? OR NOT EXISTS ({_KNOWN})
"""


class Arrivals(InSession):
    @transaction
    def live_job(self, rule: str, path: Path) -> int | None:
        """The job of this file that waits or runs."""
        row = self._session.row(
            "SELECT id FROM job WHERE rule = ? AND path = ? AND state IN ('waiting', 'running')",
            (rule, os.fsencode(path)),
        )
        return None if row is None else int(row[0])

    @transaction
    def admit(
        self,
        rule: str,
        root: Path,
        arrivals: Iterable[Arrival],
        recipe: Recipe,
        delivery: Delivery,
        *,
        now: float,
        priority: int = 0,
        again: bool = False,
    ) -> int:
        """Queue what is not known yet; the number of files queued.

        A file that is waiting already takes the new fingerprint; one that is running is left
        to its worker, which sees that its source changed. `again` queues known files too.
        """
        prefix = os.fsencode(root).rstrip(b"/") + b"/"
        with self._session.write() as conn:
            recipe_id = self._recipe_id(recipe, delivery)
            admitted: list[tuple[Any, ...]] = []
            refused: list[tuple[Any, ...]] = []
            for arrival in arrivals:
                path = os.fsencode(arrival.path)
                identity = fingerprint_columns(arrival.fingerprint)
                key = (rule, path, _relative(path, prefix), *identity, recipe_id)
                known = (again, path, rule, *identity[1:])
                if arrival.reject_reason is None:
                    admitted.append((*key, priority, now, *known))
                else:
                    reason = codec.printable(arrival.reject_reason)
                    refused.append((*key, arrival.reject_cause, reason, now, now, *known))
            conn.executemany(_REFUSE, refused)
            return conn.executemany(_ADMIT, admitted).rowcount if admitted else 0

    @transaction
    def reconsider(self, rules_digest: str) -> int:
        """Where the rules are others than last time: look anew at files that none of them took.

        They are not known any more, so that the next scan queues them; how many.
        """
        with self._session.write() as conn:
            before = self._session.row("SELECT value FROM meta WHERE key = 'rules'")
            if before is not None and before[0] == rules_digest:
                return 0
            conn.execute("INSERT OR REPLACE INTO meta VALUES ('rules', ?)", (rules_digest,))
            return conn.execute(
                "UPDATE job SET known = 0 WHERE state = 'cancelled' AND known = 1 AND cause = ?",
                (Cause.NO_RULE,),
            ).rowcount

    def _recipe_id(self, recipe: Recipe, delivery: Delivery) -> int:
        texts = codec.dumps(recipe), codec.dumps(delivery)
        digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
        self._session.conn.execute(
            "INSERT INTO recipe (digest, pixels_digest, recipe, delivery) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (digest) DO NOTHING",
            (digest, recipe.digest(), *texts),
        )
        (recipe_id,) = self._session.conn.execute(
            "SELECT id FROM recipe WHERE digest = ?", (digest,)
        ).fetchone()
        return int(recipe_id)


def _relative(path: bytes, prefix: bytes) -> bytes:
    """The folder of `path` below a root; `.` for the root itself."""
    inside = path.startswith(prefix)
    return path[len(prefix) :].rpartition(b"/")[0] or b"." if inside else b"."
