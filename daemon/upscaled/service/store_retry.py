"""While the disk under the database is full or failing, the daemon waits, and says so.

Each method of the store is one transaction, so what failed as a whole is done again as a whole:
no outcome is lost, and no attempt is used.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

from upscaled.clock import Clock
from upscaled.errors import StoreUnavailable
from upscaled.service.events import Event, EventQueue
from upscaled.store.jobs import Store

_log = logging.getLogger(__name__)

T = TypeVar("T")

_LONGEST_S = 30.0
_LOOK_S = 1.0


class StoreRetry:
    def __init__(
        self,
        events: EventQueue,
        clock: Clock,
        *,
        is_urgent: Callable[[Event], bool],
        attend: Callable[[Event | None], bool],
        relieved: Callable[[], None],
    ) -> None:
        """`attend` is called with each urgent event, and with None each second; False gives up.

        `relieved` is called after the wait: time that the daemon stood still is no job's.
        """
        self._events = events
        self._clock = clock
        self._is_urgent = is_urgent
        self._attend = attend
        self._relieved = relieved
        self._given_up = False
        self.trouble: StoreUnavailable | None = None

    def with_store(self, store: Store) -> Store:
        """The same store, each method of which waits until it can be done.

        Its methods raise StoreUnavailable only where the wait was given up.
        """
        return store.repeated(self.call)

    def call(self, method: Callable[[], T]) -> T:
        """What `method` gives, once it can be done."""
        tries = 0
        while True:
            try:
                result = method()
            except StoreUnavailable as error:
                self._wait(error, tries)
                tries += 1
            else:
                if tries:
                    _log.warning("the job database can be used again")
                    self.trouble = None
                    self._relieved()
                return result

    def _wait(self, error: StoreUnavailable, tries: int) -> None:
        if self._given_up:
            raise error
        if self.trouble is None:
            _log.error("%s; everything waits for it", error)
        self.trouble = error
        until = self._clock.monotonic() + min(2.0 ** min(tries, 10), _LONGEST_S)
        while (left_s := until - self._clock.monotonic()) > 0:
            event = self._events.newest(min(left_s, _LOOK_S))
            if event is not None and not self._is_urgent(event):
                self._events.defer(event)
            elif not self._attend(event):
                self._given_up = True
                raise error
