"""When is a file complete? A state machine on a clock it is given.

A file has settled when two looks at it, at least one window apart, show the same device, inode,
size and mtime, and nothing was heard of it in between. Mtimes are only ever compared with
mtimes, never with a clock: archives keep old ones, cameras have wrong ones.
"""

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from upscaled.job import Fingerprint

WRITING_FACTOR = 5.0
"""A file whose creation was seen, but not yet its close, probably has a writer that pauses."""
EMPTY_FACTOR = 10.0
"""Programs reserve a name with an empty file long before the first byte arrives."""


class Hint(Enum):
    """How we know of a file."""

    FOUND = "found"
    """By looking. Says nothing on writers."""
    CREATED = "created"
    """Its name was born; whoever made it may still have it open."""
    COMPLETE = "complete"
    """A writer closed it, or it was renamed or moved in."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at one path."""

    fingerprint: Fingerprint
    links: int = 1
    reject_reason: str | None = None
    is_open_folder: bool = False
    """A folder that can be looked into; it is odd only as an image."""

    @property
    def digest(self) -> int:
        """64 bits that stand for the fingerprint: 100,000 of them must fit in few MB."""
        mark = self.fingerprint
        key = (mark.device, mark.inode, mark.size_bytes, mark.mtime_ns)
        return hash(key) if self.reject_reason is None else hash((key, self.reject_reason))


class _Candidate:
    __slots__ = ("digest", "due", "looked_up", "scanned", "slow_s", "writing")

    def __init__(self, *, scanned: bool) -> None:
        self.digest = 0
        self.due = 0.0
        self.looked_up = math.inf
        """When its one valid entry in the heap comes up."""
        self.writing = False
        self.slow_s = 0.0
        self.scanned = scanned


@dataclass(frozen=True, slots=True)
class Settled:
    path: bytes
    look: Look
    scanned: bool
    """No event announced it: a scan did."""


class Settling:
    """The files that may still be changing. Each step costs O(log n) for each file it touches."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._candidates: dict[bytes, _Candidate] = {}
        self._heap: list[tuple[float, bytes]] = []

    def __len__(self) -> int:
        return len(self._candidates)

    def __contains__(self, path: bytes) -> bool:
        return path in self._candidates

    def see(
        self, path: bytes, look: Look, now: float, *, hint: Hint = Hint.FOUND, slow_s: float = 0.0
    ) -> None:
        """Tell of a look. `slow_s`: the least window, where changes are seen late (network)."""
        candidate = self._candidates.get(path)
        if candidate is None:
            candidate = self._candidates[path] = _Candidate(scanned=hint is Hint.FOUND)
        elif hint is Hint.FOUND and candidate.digest == look.digest:
            return
        if hint is not Hint.FOUND:
            # A second link to a file that is complete elsewhere is born without a writer.
            candidate.writing = (
                hint is Hint.CREATED and look.links == 1 and look.reject_reason is None
            )
        candidate.digest = look.digest
        candidate.slow_s = max(slow_s, candidate.slow_s)
        candidate.due = now + max(candidate.slow_s, self._window_s(look, writing=candidate.writing))
        if candidate.due < candidate.looked_up:
            self._queue(path, candidate)

    def drop(self, path: bytes) -> None:
        self._candidates.pop(path, None)

    def next_due(self) -> float:
        """When `settled` may have something; infinity when nothing is settling."""
        while self._heap:
            at, path = self._heap[0]
            candidate = self._candidates.get(path)
            if candidate is not None and candidate.looked_up == at:
                if candidate.due <= at:
                    return at
                heapq.heapreplace(self._heap, (candidate.due, path))
                candidate.looked_up = candidate.due
            else:
                heapq.heappop(self._heap)
        return math.inf

    def settled(
        self, now: float, look: Callable[[bytes], Look | None], *, limit: int
    ) -> list[Settled]:
        """Look again at what is due; give and forget what did not change.

        `look` returns None for what is gone. At most `limit` paths are looked at.
        """
        ready = []
        for _ in range(limit):
            if self.next_due() > now:
                break
            path = heapq.heappop(self._heap)[1]
            candidate = self._candidates[path]
            candidate.looked_up = math.inf
            seen = look(path)
            if seen is None:
                del self._candidates[path]
            elif seen.digest == candidate.digest:
                del self._candidates[path]
                ready.append(Settled(path, seen, candidate.scanned))
            else:
                self.see(path, seen, now)
        return ready

    def _queue(self, path: bytes, candidate: _Candidate) -> None:
        # Later deadlines only move `due`: a file that is written to for an hour has one entry.
        candidate.looked_up = candidate.due
        heapq.heappush(self._heap, (candidate.due, path))

    def _window_s(self, look: Look, *, writing: bool) -> float:
        if look.reject_reason is not None:
            return self._settle_s
        if look.fingerprint.size_bytes == 0:
            return self._settle_s * EMPTY_FACTOR
        return self._settle_s * (WRITING_FACTOR if writing else 1.0)
