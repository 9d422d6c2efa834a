"""What becomes of sources, after their results are durable and committed."""

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

from upscaled.clock import Clock
from upscaled.output.source import dispose
from upscaled.service.mailbox import Disposed
from upscaled.store.jobs import Disposal, Store

_log = logging.getLogger(__name__)
_AGAIN_S = 60.0


class Sources:
    """Which sources are due. Lives in the supervisor's main thread."""

    def __init__(self, store: Store, clock: Clock, submit: Callable[[Disposal], None]) -> None:
        """Each disposal that is submitted has to be answered: `hear`."""
        self._store = store
        self._clock = clock
        self._submit = submit
        self._busy: set[int] = set()
        self._failed: dict[int, tuple[float, str]] = {}

    @property
    def is_busy(self) -> bool:
        return bool(self._busy)

    @property
    def trouble(self) -> str | None:
        return next((trouble for _, trouble in self._failed.values()), None)

    def settle(self) -> None:
        """Keep, move or delete what is pending; what failed is tried again in a minute."""
        now = self._clock.monotonic()
        for pending in self._store.disposals():
            again_at, _ = self._failed.get(pending.job_id, (now, ""))
            if pending.job_id not in self._busy and now >= again_at:
                self._busy.add(pending.job_id)
                self._submit(pending)

    def hear(self, disposed: Disposed) -> None:
        """How it went."""
        if disposed.trouble is None:
            self._store.disposed(disposed.job_id, self._clock.now(), disposed.note)
            self._failed.pop(disposed.job_id, None)
        else:
            self._failed[disposed.job_id] = (
                self._clock.monotonic() + _AGAIN_S,
                disposed.trouble,
            )
        self._busy.discard(disposed.job_id)


class Disposer:
    """A thread for it: a large file takes its time to another file system."""

    def __init__(self, mark: str, deliver: Callable[[Disposed], None]) -> None:
        self._mark = mark
        self._deliver = deliver
        self._due: SimpleQueue[Disposal | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="sources", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def submit(self, pending: Disposal) -> None:
        self._due.put(pending)

    def stop(self, timeout_s: float) -> None:
        """What is not finished by then is finished by the next start."""
        while not self._due.empty():
            self._due.get()
        self._due.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (pending := self._due.get()) is not None:
            self._deliver(attempt(pending, self._mark))


def attempt(pending: Disposal, mark: str) -> Disposed:
    """Do it; whatever is in the way comes back as trouble."""
    try:
        note = dispose(
            pending.source,
            pending.relative,
            pending.fingerprint,
            pending.delivery,
            pending.state,
            mark=mark,
        )
    except Exception as error:  # noqa: BLE001 (one source must not end them all)
        why = error.strerror if isinstance(error, OSError) else None
        trouble = f"cannot move or delete {pending.source}: {why or error}"
        _log.warning("%s; tried again in a minute", trouble)
        return Disposed(pending.job_id, None, trouble)
    return Disposed(pending.job_id, note)
