"""After a crash: what was half done is finished or given back, what was half written is swept."""

import logging
from collections.abc import Iterable
from pathlib import Path

from upscaled.job import JobState
from upscaled.output.publish import sha256_of, sweep
from upscaled.store.jobs import Store

_log = logging.getLogger(__name__)


def recover(store: Store, owner: str, folders: Iterable[Path], now: float) -> None:
    """Under the lock, before any worker starts: every running row of another owner is an orphan."""
    for orphan in store.orphans(owner):
        result = orphan.result
        stands = result is not None and sha256_of(result.path) == result.sha256
        state = store.adopt(orphan, now, published=stands)
        what = "had been published" if state is JobState.DONE else f"is {state} again"
        _log.warning("job %d (%s) was cut off: it %s", orphan.job_id, orphan.source, what)
    for folder in folders:
        if count := sweep(folder, store.store_id):
            _log.info("%d unfinished files were removed from %s", count, folder)
