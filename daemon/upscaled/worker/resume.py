"""The ledger of `upscaled run`: what an earlier run made of the same bytes is not made again."""

import hashlib
import json
import logging
import os
from pathlib import Path

from upscaled.errors import NotTaken, StoreError
from upscaled.job import ImageInfo, Order
from upscaled.outcomes import Duplicate, Result
from upscaled.output.publish import sha256_of
from upscaled.store.run_results import Results
from upscaled.worker.lanes import ChannelLedger

_log = logging.getLogger(__name__)


class ResumeLedger(ChannelLedger):
    """Answers by itself; nobody is asked."""

    def __init__(self, orders: dict[int, Order], results: Results | None, *, force: bool) -> None:
        """`results` None: nothing is remembered. `force`: what was made is made again."""
        super().__init__(lambda _: None)
        self._orders = orders
        self._results = results
        self._force = force
        self._keys: dict[int, str] = {}
        self.standing: dict[int, Path] = {}
        """Jobs that there was nothing to do for, and their results."""

    def describe(self, job_id: int, image_info: ImageInfo) -> str | None:  # noqa: ARG002 (the seam)
        return None

    def identify(self, job_id: int, content_sha256: str) -> Duplicate | None:
        """Raises: NotTaken: the result stands already."""
        key = self._keys[job_id] = key_of(self._orders[job_id], content_sha256)
        path = None if self._force else self._standing(key)
        if path is not None:
            self.standing[job_id] = path
            raise NotTaken("done already (--force does it again)")
        return None

    def announce(self, job_id: int, result: Result) -> None:
        # Before the file has its name: a run that is killed in between finds none, and goes on.
        if self._results is not None:
            try:
                self._results.keep(self._keys[job_id], result.path, result.sha256)
            except StoreError as error:
                self._forgo(error)

    def _standing(self, key: str) -> Path | None:
        """The result of an earlier run, if it is still what that run wrote."""
        if self._results is None:
            return None
        try:
            found = self._results.find(key)
            return found[0] if found and sha256_of(found[0]) == found[1] else None
        except OSError:
            return None
        except StoreError as error:
            self._forgo(error)
            return None

    def _forgo(self, error: StoreError) -> None:
        _log.warning("what is made is not remembered: %s", error)
        self._results = None


def key_of(order: Order, content_sha256: str) -> str:
    """Of the same file with the same bytes by the same recipe into the same folder."""
    parts = [
        os.fsencode(order.source).hex(),
        os.fsencode(order.delivery.folder / order.relative).hex(),
        content_sha256,
        order.recipe.digest(),
        *map(_version, order.recipe.models),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _version(model: str) -> str:
    """A model file may be another one under the same name; the catalogue's never are."""
    if not model.startswith("/"):
        return ""
    try:
        found = os.stat(model)  # noqa: PTH116 (a name, as it is in the recipe)
    except OSError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"
