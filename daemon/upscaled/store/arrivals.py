"""Files that arrive: what is known already, and what is queued."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from upscaled import codec
from upscaled.delivery import Delivery
from upscaled.job import Arrival, Fingerprint
from upscaled.recipe import Recipe
from upscaled.store.columns import FINGERPRINT, fingerprint_columns
from upscaled.store.database import Session

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
INSERT INTO job (rule, path, relative, {FINGERPRINT}, recipe_id, state, reason, queued_at,
                 finished_at)
SELECT ?, ?, ?, ?, ?, ?, ?, ?, 'failed', ?, ?, ? WHERE ? OR NOT EXISTS ({_KNOWN})
"""


class Arrivals(Session):
    def is_known(self, rule: str, path: Path, fingerprint: Fingerprint) -> bool:
        """Whether this very file was queued before, in whatever state its job is now.

        A file that went away, or changed, under its job is not: should it come back just as it
        was (a disk that is mounted again), it is new.
        """
        _, *identity = fingerprint_columns(fingerprint)
        return self._row(_KNOWN, (os.fsencode(path), rule, *identity)) is not None

    def live_job(self, rule: str, path: Path) -> int | None:
        """The job of this file that waits or runs."""
        row = self._row(
            "SELECT id FROM job WHERE rule = ? AND path = ? AND state IN ('waiting', 'running')",
            (rule, os.fsencode(path)),
        )
        return None if row is None else int(row[0])

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
        with self._write() as conn:
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
                    refused.append((*key, codec.printable(arrival.reject_reason), now, now, *known))
            conn.executemany(_REFUSE, refused)
            return conn.executemany(_ADMIT, admitted).rowcount if admitted else 0

    def _recipe_id(self, recipe: Recipe, delivery: Delivery) -> int:
        texts = codec.dumps(recipe), codec.dumps(delivery)
        digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
        self._conn.execute(
            "INSERT INTO recipe (digest, pixels_digest, recipe, delivery) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (digest) DO NOTHING",
            (digest, recipe.digest(), *texts),
        )
        (recipe_id,) = self._conn.execute(
            "SELECT id FROM recipe WHERE digest = ?", (digest,)
        ).fetchone()
        return int(recipe_id)


def _relative(path: bytes, prefix: bytes) -> bytes:
    """The folder of `path` below a root; `.` for the root itself."""
    inside = path.startswith(prefix)
    return path[len(prefix) :].rpartition(b"/")[0] or b"." if inside else b"."
