"""What becomes of sources, after their results are durable and committed."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from upscaled.clock import Clock
from upscaled.job import Footing, Order
from upscaled.output.source import FootingOf, OnFooting, dispose, fingerprint
from upscaled.service.mailbox import Disposed, Seen
from upscaled.store.jobs import Disposal, Store

_log = logging.getLogger(__name__)
_AGAIN_S = 60.0
_PAGE = 100
_MOST_BUSY = 200
"""What has just ended never waits behind more: a hundred thousand may be stuck on a full disk."""


class Sources:
    """Which sources are due. Lives in the supervisor's main thread.

    One that has just ended has its turn at once. Rounds through all that is pending, by id and a
    page at a time, find what an earlier run left and try again what could not be done.
    """

    def __init__(self, store: Store, clock: Clock, submit: Callable[[Disposal], None]) -> None:
        """Each disposal that is submitted has to be answered: `hear`."""
        self._store = store
        self._clock = clock
        self._submit = submit
        self._busy: set[int] = set()
        self._stuck: set[int] = set()
        self._met: set[int] = set()
        self._trouble: str | None = None
        self._round_at = clock.monotonic()
        self._after: int | None = None
        """Where the round is; None: it is over."""

    @property
    def is_busy(self) -> bool:
        return bool(self._busy)

    @property
    def trouble(self) -> str | None:
        if self._trouble is None or not self._stuck:
            return None
        more = len(self._stuck) - 1
        return f"{self._trouble} (and {more} more)" if more else self._trouble

    def offer(self, job_id: int) -> None:
        """This job has just ended."""
        if len(self._busy) >= _MOST_BUSY:
            # The next round comes to it.
            self._round_at = self._clock.monotonic()
            return
        for pending in self._store.disposals_after(job_id):
            self._begin(pending)

    def settle(self) -> None:
        """Keep, move or delete what is pending; what failed is tried again in a minute."""
        now = self._clock.monotonic()
        if self._after is None and now >= self._round_at:
            self._after, self._round_at, self._met = 0, now + _AGAIN_S, set()
        while self._after is not None and len(self._busy) < _MOST_BUSY:
            page = self._store.disposals(self._after, most=_PAGE)
            self._after = page[-1].job_id if len(page) == _PAGE else None
            self._met.update(pending.job_id for pending in page)
            for pending in page:
                self._begin(pending)
            if self._after is None:
                # Others were queued again by hand meanwhile.
                self._stuck &= self._met | self._busy

    def _begin(self, pending: Disposal) -> None:
        if pending.job_id not in self._busy:
            self._busy.add(pending.job_id)
            self._submit(pending)

    def hear(self, disposed: Disposed) -> None:
        """How it went."""
        job_id, trouble = disposed.job_id, disposed.trouble
        if trouble is None:
            self._store.disposed(job_id, self._clock.now(), disposed.note)
            self._stuck.discard(job_id)
        else:
            if job_id not in self._stuck:
                _log.warning("%s; tried again each minute", trouble)
            self._stuck.add(job_id)
            self._trouble = trouble
        self._busy.discard(job_id)


def has_changed(order: Order) -> bool:
    """Since it was read: an arrival that came while its job ran was not queued."""
    try:
        found = fingerprint(order.source)
    except OSError:
        return False
    return (
        found is not None and order.fingerprint is not None and not found.matches(order.fingerprint)
    )


class Disposer:
    """A thread for it: a large file takes its time to another file system."""

    def __init__(
        self,
        mark: str,
        deliver: Callable[[Disposed | Seen], None],
        footing_of: FootingOf = lambda _: None,
    ) -> None:
        self._mark = mark
        self._footing_of = footing_of
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
            self._deliver(attempt(pending, self._mark, self._footing_of, self._find))

    def _find(self, folder: Path, found: Footing) -> None:
        self._deliver(Seen(folder, found))


def attempt(
    pending: Disposal,
    mark: str,
    footing_of: FootingOf = lambda _: None,
    found: OnFooting = lambda *_: None,
) -> Disposed:
    """Do it; whatever is in the way comes back as trouble."""
    try:
        note = dispose(
            pending.source,
            pending.relative,
            pending.fingerprint,
            pending.delivery,
            pending.state,
            mark=f"{mark}-{pending.job_id}",
            # A later run finishes what this one began: the store's id alone is in it.
            taken_mark=f"{mark.partition('-')[0]}-{pending.job_id}",
            footing_of=footing_of,
            found=found,
        )
    except Exception as error:  # noqa: BLE001 (one source must not end them all)
        why = error.strerror if isinstance(error, OSError) else None
        trouble = f"cannot move or delete {pending.source}: {why or error}"
        return Disposed(pending.job_id, None, trouble)
    return Disposed(pending.job_id, note)
