"""After a crash: what was half done is finished or given back."""

import logging
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from upscaled.delivery import Delivery
from upscaled.filesystem.unresponsive import call_with_timeout
from upscaled.job import JobState
from upscaled.outcomes import Result
from upscaled.output.publish import resumed
from upscaled.store.jobs import Orphan, Store

_log = logging.getLogger(__name__)

ANSWER_S = 10.0
"""For a disk to show a result that a dead worker or daemon may have left there."""


def recover(store: Store, owner: str, now: float) -> None:
    """Under the lock, before any worker starts: every running row of another owner is an orphan."""
    for orphan in store.orphans(owner):
        state = store.adopt(orphan, now, published=_is_published(orphan, store.store_id))
        what = "had been published" if state is JobState.DONE else f"is {state} again"
        _log.warning("job %d (%s) was cut off: it %s", orphan.job_id, orphan.source, what)


def run_mark(store: Store) -> str:
    """Stands in the names of this run's temporary files: no sweep of earlier ones meets them.

    It begins with the store's id, by which later runs know these files for their own.
    """
    return f"{store.store_id}-{secrets.token_hex(3)}"


def written_folders(deliveries: Iterable[Delivery]) -> list[Path]:
    """Where temporary files of ours can be: results, and sources on their way elsewhere."""
    return list(dict.fromkeys(folder for given in deliveries for folder in _folders_of(given)))


def _folders_of(delivery: Delivery) -> Iterator[Path]:
    yield delivery.folder
    yield from (extra.folder for extra in delivery.extras)
    review = delivery.check.review_folder if delivery.check else None
    for folder in (delivery.success_folder, delivery.failure_folder, review):
        if folder is not None:
            yield folder


def is_published(result: Result, store_id: str, job_id: int) -> bool:
    """Whether what was announced stands, durable.

    Raises:
        OSError: its disk fails, or does not answer (TimeoutError).
    """
    return call_with_timeout(
        ANSWER_S, lambda: resumed(result.path, result.sha256, store_id, job_id)
    )


def _is_published(orphan: Orphan, store_id: str) -> bool:
    result = orphan.result
    try:
        return result is not None and is_published(result, store_id, orphan.job_id)
    except OSError as error:
        # Done again, it waits until the disk can be written, and finds the same bytes there.
        _log.warning("%s cannot be made durable: %s", orphan.source, error)
        return False
