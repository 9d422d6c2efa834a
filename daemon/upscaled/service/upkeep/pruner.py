"""The ledger's past is forgotten after a while, but never a file that still lies in its inbox."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from upscaled.clock import Clock
from upscaled.errors import DiskMissing
from upscaled.filesystem import mount_guard
from upscaled.output.source_cleanup import MountOf, fingerprint
from upscaled.service.events import PruneScanned
from upscaled.store.jobs import Store
from upscaled.store.pruning import Past

_log = logging.getLogger(__name__)

FIRST_S = 600.0
"""After the start, which has better things to do."""
ROUND_S = 86_400.0
PAGE = 100
"""Jobs in one transaction: some ms."""

Look = Callable[[tuple[Past, ...]], None]


class Pruner:
    """A round each day, a page at a time. Lives in the supervisor's main thread."""

    def __init__(self, store: Store, clock: Clock, look: Look) -> None:
        """`look` finds out, elsewhere, which files are gone; it is answered by `hear`."""
        self._store = store
        self._clock = clock
        self._look = look
        self._round_at = clock.monotonic() + FIRST_S
        self._after: int | None = None
        """Where the round is; None: it is over."""
        self._is_looking = False
        self._forgotten = 0

    def step(self, keep_s: float | None) -> None:
        """Called when nothing else is to be done. `keep_s`: how long the past is kept."""
        now = self._clock.monotonic()
        if self._is_looking or keep_s is None:
            return
        if self._after is None:
            if now < self._round_at:
                return
            self._after, self._round_at, self._forgotten = 0, now + ROUND_S, 0
        page = self._store.page(self._after, self._clock.now() - keep_s, most=PAGE)
        self._after = page.last_id
        if page.past:
            self._is_looking = True
            self._look(page.past)
        elif self._after is None:
            self._tell()

    def hear(self, looked: PruneScanned) -> None:
        """What is gone is forgotten."""
        self._is_looking = False
        self._forgotten += self._store.prune(looked.gone, looked.there)
        if self._after is None:
            self._tell()

    @property
    def is_busy(self) -> bool:
        """Whether there is more to do at once."""
        return self._after is not None and not self._is_looking

    def _tell(self) -> None:
        if self._forgotten:
            _log.info("%d old jobs were forgotten; their files are gone", self._forgotten)
            self._forgotten = 0


def look_in_background(
    past: tuple[Past, ...], mount_of: MountOf, deliver: Callable[[PruneScanned], None]
) -> None:
    """A thread for it: a mount that does not answer holds up nothing but this."""

    def look() -> None:
        gone = tuple(each.job_id for each in past if not each.is_known or is_gone(each, mount_of))
        there = tuple({each.job_id for each in past} - set(gone))
        deliver(PruneScanned(gone, there))

    threading.Thread(target=look, name="history", daemon=True).start()


def is_gone(past: Past, mount_of: MountOf = lambda _: None) -> bool:
    """Whether this very file is no more; a disk that is not mounted now proves nothing."""
    try:
        found = fingerprint(past.source)
        if found is not None and found.matches(past.fingerprint):
            return False
        device = found.device if found is not None else _device_of(past.source)
        return device == past.fingerprint.device or _is_its_disk(past, device, mount_of)
    except (OSError, DiskMissing):
        return False


def _is_its_disk(past: Past, device: int | None, mount_of: MountOf) -> bool:
    """Whether the disk has only got another number, as many do at each start of the machine.

    The inbox lies where it always lay, and the file's folder on the same disk. An empty folder
    below the inbox may be the place of a disk of its own, which is not mounted.
    """
    folder = past.source.parent
    inbox = past.source.parents[len(past.relative.parts)]
    before = mount_of(inbox)
    if before is None or mount_guard.check_mount(inbox, before, required=None) is None:
        return False
    if inbox.stat().st_dev != device or not folder.is_dir():
        return False
    return folder == inbox or any(folder.iterdir())


def _device_of(path: Path) -> int | None:
    """The file system on which the nearest folder that exists lies."""
    for folder in path.parents:
        found = fingerprint(folder)
        if found is not None:
            return folder.stat().st_dev
    return None
