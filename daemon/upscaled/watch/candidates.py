"""From a look at a file to a settled file, delivered once. One thread."""

import os
from pathlib import Path

from upscaled.cause import Cause
from upscaled.clock import Clock
from upscaled.filesystem.open_writers import is_open_for_writing
from upscaled.job import Arrival
from upscaled.watch import ignore, listing
from upscaled.watch.seen import Seen, join, split
from upscaled.watch.settle import Hint, Look, Settled, Settling
from upscaled.watch.spec import InboxSpec


class Candidates:
    """What may have to be delivered, below one root. Paths are relative to it."""

    def __init__(self, spec: InboxSpec, root: bytes, clock: Clock) -> None:
        self._spec = spec
        self._root = root
        self._clock = clock
        self._settling = Settling(spec.settle_s)
        self.seen = Seen()

    def __len__(self) -> int:
        return len(self._settling)

    def next_due(self) -> float:
        return self._settling.next_due()

    def look(self, path: bytes, status: os.stat_result) -> Look:
        """What stands at `path`, whose `lstat` result is at hand."""
        return listing.look_with(join(self._root, path), status)

    def consider(self, path: bytes, look: Look, hint: Hint) -> None:
        """Let it settle, unless it was delivered as it is."""
        folder, name = split(path)
        parent = self.seen.folder(folder)
        if parent is not None and parent.names.get(name) == look.digest:
            self._settling.drop(path)
        else:
            self._see(path, look, hint)

    def gone(self, path: bytes) -> None:
        self._settling.drop(path)
        self.seen.drop(*split(path))

    def resettle(self, full: Path) -> None:
        """Let a file settle anew, and be delivered again though it was delivered as it is."""
        prefix = join(self._root, b"")
        path = os.fsencode(full)
        if not path.startswith(prefix):
            return
        path = path.removeprefix(prefix)
        self.seen.drop(*split(path))
        look = self._look_again(path)
        if look is not None:
            self._settling.drop(path)
            self._see(path, look, Hint.FOUND)

    def settled(self, limit: int) -> list[Settled]:
        """What settled and is to be delivered; `delivered` has to be told of each."""
        ready = []
        now = self._clock.monotonic()
        for settled in self._settling.settled(now, self._look_again, limit=limit):
            if self._is_reserved(settled) or self._is_written_to(settled):
                self.undelivered(settled)
            else:
                ready.append(settled)
        return ready

    def arrival(self, settled: Settled) -> Arrival:
        look, path = settled.look, self._full(settled.path)
        if look.reject_reason is None and look.fingerprint.size_bytes == 0:
            return Arrival(path, look.fingerprint, "is empty (0 bytes)", Cause.EMPTY)
        return Arrival(path, look.fingerprint, look.reject_reason)

    def delivered(self, settled: Settled) -> None:
        self.seen.put(*split(settled.path), settled.look.digest)

    def undelivered(self, settled: Settled) -> None:
        """It settles once more, and comes again."""
        self._see(settled.path, settled.look, Hint.FOUND)

    def _see(self, path: bytes, look: Look, hint: Hint) -> None:
        folder = self.seen.folder(split(path)[0])
        # Where changes are only seen by looking, a quiet file may merely not have been looked at.
        slow_s = self._spec.poll_s if folder is not None and folder.blind is not None else 0.0
        self._settling.see(path, look, self._clock.monotonic(), hint=hint, slow_s=slow_s)

    def _look_again(self, path: bytes) -> Look | None:
        try:
            status = os.lstat(join(self._root, path))
        except OSError:
            return None  # what is still there is found by the next scan
        look = self.look(path, status)
        return None if look.is_open_folder and not ignore.is_image_like(path) else look

    def _is_reserved(self, settled: Settled) -> bool:
        """Whether an empty file holds the name for bytes that arrive under another."""
        if settled.look.reject_reason is not None or settled.look.fingerprint.size_bytes > 0:
            return False
        full = join(self._root, settled.path)
        return any(os.path.lexists(name) for name in ignore.unfinished_names(full))

    def _is_written_to(self, settled: Settled) -> bool:
        """Whether its writer only pauses. Its end is heard of; until then it is looked at."""
        folder = self.seen.folder(split(settled.path)[0])
        # On another machine's disk the answer means nothing, and each question is a round trip.
        if settled.look.reject_reason is not None or (
            folder is not None and folder.blind is not None
        ):
            return False
        return is_open_for_writing(join(self._root, settled.path)) is True

    def _full(self, path: bytes) -> Path:
        return Path(os.fsdecode(join(self._root, path)))
