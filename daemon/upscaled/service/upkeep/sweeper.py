"""What earlier runs left half written is removed: at the start, or once its disk is there."""

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from upscaled.clock import Clock
from upscaled.errors import DiskMissing
from upscaled.filesystem import mount_guard
from upscaled.output.publish import sweep
from upscaled.service.events import MountObserved
from upscaled.service.upkeep.known_mounts import MountOf

_log = logging.getLogger(__name__)

AGAIN_S = 30.0
"""Until a disk that was not mounted is looked for again; one look is one `stat`."""


class Sweeper:
    """Each folder once in a run, by a thread of its own: a dead mount holds nobody up."""

    def __init__(
        self,
        store_id: str,
        mark: str,
        clock: Clock,
        mount_of: MountOf,
        deliver: Callable[[MountObserved], None],
    ) -> None:
        """Removes temporary files of this store, but for those of the run `mark`, which goes on.

        `deliver` is told what the folders lie on.
        """
        self._store_id = store_id
        self._mark = mark
        self._clock = clock
        self._mount_of = mount_of
        self._deliver = deliver
        self._due = clock.monotonic()
        self._swept: set[Path] = set()
        self._threads: dict[Path, threading.Thread] = {}

    def step(self, folders: Callable[[], Iterable[Path]]) -> None:
        """Begin with those that were not swept yet; asked often, it looks now and then."""
        now = self._clock.monotonic()
        if now < self._due:
            return
        self._due = now + AGAIN_S
        for folder in folders():
            before = self._threads.get(folder)
            if folder not in self._swept and (before is None or not before.is_alive()):
                self._begin(folder, is_first=before is None)

    def _begin(self, folder: Path, *, is_first: bool) -> None:
        self._threads[folder] = thread = threading.Thread(
            target=self._see_to, args=(folder, is_first), name=f"sweep:{folder}", daemon=True
        )
        thread.start()

    def _see_to(self, folder: Path, is_first: bool) -> None:
        # Before any job: the disk may be gone by the time of the first.
        try:
            found = mount_guard.check_mount(folder, self._mount_of(folder), required=None)
        except (OSError, DiskMissing) as error:
            if is_first:
                _log.warning("%s", error)
            return
        if found is not None:
            self._deliver(MountObserved(folder, found))
            if count := sweep(folder, self._store_id, self._mark):
                _log.info("%d unfinished files were removed from %s", count, folder)
        self._swept.add(folder)
