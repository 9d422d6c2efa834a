"""Small things that may take long (another program, a slow disk), done beside the main thread."""

import logging
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)

LatestWinsTask = Callable[[], None]


class LatestWinsTasks:
    """A thread for them. Of each kind only the newest waits, so nothing piles up."""

    def __init__(self) -> None:
        self._due: dict[str, LatestWinsTask] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="errands", daemon=True)
        self._thread.start()

    def submit(self, kind: str, errand: LatestWinsTask) -> None:
        """Never blocks. `errand` takes the place of one of its kind that was not begun yet."""
        with self._changed:
            self._due[kind] = errand
            self._changed.notify()

    def stop(self, timeout_s: float) -> None:
        """Do what is due; whatever takes longer is left alone."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (errand := self._next()) is not None:
            try:
                errand()
            except Exception:  # noqa: BLE001 (none of them is worth the daemon)
                _log.exception("an errand failed")

    def _next(self) -> LatestWinsTask | None:
        with self._changed:
            while not self._due and not self._stopping:
                self._changed.wait()
            return self._due.pop(next(iter(self._due))) if self._due else None
