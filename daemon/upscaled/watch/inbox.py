"""One inbox: a thread that watches, scans, waits until files settle, and delivers them."""

import logging
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

from upscaled.clock import Clock
from upscaled.filesystem.unresponsive import is_uninterruptible
from upscaled.watch.candidates import Candidates
from upscaled.watch.fs import Watches
from upscaled.watch.handover import Handover
from upscaled.watch.hint_queue import Hints
from upscaled.watch.root import RootState, check_root, suspended_s
from upscaled.watch.schedule import Schedule
from upscaled.watch.seen import Seen, join
from upscaled.watch.spec import ArrivalBatch, InboxSpec, InboxView, shown
from upscaled.watch.survey import Survey

__all__ = ["ArrivalBatch", "Inbox", "InboxSpec", "InboxView"]

log = logging.getLogger(__name__)

BACKLOG_HINTS = 100_000
"""More than these are not kept: a scan finds the same for less memory."""
_LONGEST_SLEEP_S = 5.0
STOP_S = 5.0
"""For a thread to end; a mount that does not answer may hold it for ever."""
_SUSPENDED_S = 5.0
_SILENT_S = 15.0
"""It shows itself each five seconds; a slow disk is no dead one."""
_REMEMBERED_ROOTS = 2


class _Heard(NamedTuple):
    watches: Watches
    watch: int
    mask: int
    name: bytes


class _Resettle(NamedTuple):
    path: Path


class Inbox:
    """Delivers each settled file below a root once for each (path, fingerprint).

    `deliver` is called from the inbox's own thread. A batch that it raises on is delivered again
    later. What an earlier process delivered is delivered again too: the store knows it. Twin in
    memory: `tests/support/fake_inboxes.py`.
    """

    def __init__(
        self, spec: InboxSpec, deliver: Callable[[ArrivalBatch], None], clock: Clock
    ) -> None:
        self.spec = spec
        self._shown = shown(spec.root)
        self._clock = clock
        # As bytes, like all paths here: names need not be UTF-8.
        self._path = os.path.abspath(os.fsencode(spec.root))  # noqa: PTH100 - pathlib has no bytes
        self._candidates = Candidates(spec, self._path, clock)
        self._survey = Survey(spec, self._candidates, self._path, self._pulse)
        self._handover = Handover(spec, self._candidates, deliver, clock)
        self._schedule = Schedule(spec.rescan_s, spec.poll_s, _spread)
        self._letters: SimpleQueue[_Heard | _Resettle | None] = SimpleQueue()
        self._rescan_wanted = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"inbox:{spec.root}", daemon=True)
        self._beat = clock.monotonic()
        self._root = RootState(None, "not looked at yet")
        self._mount_identity = spec.mount_identity
        self._memories: dict[tuple[int, int], Seen] = {}
        self._suspended_s = suspended_s()
        self._hints = Hints()
        self._end: str | None = None

    def start(self) -> None:
        self._thread.start()

    def begin_stop(self) -> None:
        """End the thread soon; what was not delivered is found again by the next start."""
        self._stopping.set()
        self._letters.put(None)

    def stop(self, timeout_s: float = STOP_S) -> None:
        """End the thread, and wait for it."""
        self.begin_stop()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                log.warning("%s does not end; a file system does not answer", self._shown)

    def rescan(self) -> None:
        """Scan everything now."""
        self._rescan_wanted = True
        self._letters.put(None)

    def resettle(self, path: Path) -> None:
        """This file changed after its delivery: it has to settle, and is delivered again."""
        self._letters.put(_Resettle(path))

    def view(self) -> InboxView:
        survey = self._survey
        present = self._root.identity is not None
        silent_s = self._clock.monotonic() - self._beat
        held = silent_s > _SILENT_S and is_uninterruptible(self._thread)
        dead = f"its disk has not answered for {silent_s:.0f} s" if held else None
        trouble = self._end or dead or self._root.reason or self._handover.trouble
        return InboxView(
            root=self.spec.root,
            watched_by=("polled" if survey.root_unwatched else "inotify") if present else "missing",
            reason=trouble or survey.unwatched_why,
            files=survey.seen.files,
            settling=len(self._candidates) + self._handover.busy,
            last_scan_s=self._schedule.last_scan_s,
            alive=self._thread.is_alive(),
            beat_monotonic=self._beat,
            first_scan_done=self._schedule.last_scan_s is not None,
            mount_identity=self._mount_identity,
            is_held=held,
            is_well=trouble is None and survey.is_as_designed,
        )

    # Everything below runs in the inbox's own thread, but for `_hear`.

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._receive()
                self._round()
        except Exception as error:
            # The supervisor sees that the thread has ended; what it was must not be lost.
            log.exception("%s: the watching thread ended", self._shown)
            self._end = f"the watching thread ended ({type(error).__name__}: {error})"
        finally:
            self._survey.disconnect()

    def _round(self) -> None:
        now = self._show_life()
        if self._rescan_wanted or self._hints.root_in_doubt or now >= self._schedule.root_due:
            self._check_root(now)
        if self._schedule.present:
            if self._rescan_wanted or now >= self._schedule.scan_due:
                self._scan()
            elif now >= self._schedule.poll_due:
                self._poll()
            self._follow_hints()
            if self._survey.root_lost:
                self._lose_root(RootState(None, "the inbox does not exist"))
        self._hints = Hints()
        self._hand_on()

    def _receive(self) -> None:
        due = min(self._schedule.next_due(), self._handover.next_due())
        wait_s = due - self._clock.monotonic()
        try:
            self._open_letter(self._letters.get(timeout=min(max(wait_s, 0.0), _LONGEST_SLEEP_S)))
            for _ in range(BACKLOG_HINTS):
                self._open_letter(self._letters.get_nowait())
        except Empty:
            pass

    def _open_letter(self, letter: _Heard | _Resettle | None) -> None:
        if isinstance(letter, _Heard):
            if letter.watches is self._survey.watches:
                folders = letter.watches.folders(letter.watch)
                self._hints.take(folders, letter.mask, letter.name)
        elif letter is not None:
            self._candidates.resettle(letter.path)

    def _hear(self, watches: Watches, watch: int, mask: int, name: bytes) -> None:
        # In the reader's thread.
        if self._letters.qsize() < BACKLOG_HINTS:
            self._letters.put(_Heard(watches, watch, mask, name))
        else:
            self._rescan_wanted = True

    def _check_root(self, now: float) -> None:
        root = check_root(self._path, self._mount_identity, required=self.spec.require_mount)
        self._mount_identity = root.mount_identity or self._mount_identity
        if root.identity is None:
            self._lose_root(root)
            return
        self._schedule.root_checked(now, present=True)
        before, self._root = self._root, root
        if before.identity != root.identity:
            self._enter_root(root.identity)
        if self._watches_died() or self._was_suspended():
            self._schedule.scan_at_once()
        if self._hints.root_in_doubt:
            self._schedule.doubt(now)

    def _lose_root(self, root: RootState) -> None:
        # What was seen stays: an unmounted disk comes back with its files.
        if self._root.identity is not None:
            log.warning("%s: %s", self._shown, root.reason)
        self._root = root
        self._schedule.root_checked(self._clock.monotonic(), present=False)
        self._survey.disconnect()

    def _enter_root(self, identity: tuple[int, int]) -> None:
        """Another directory than before: with its own memory, if it was here earlier."""
        log.info("%s: watching", self._shown)
        self._survey.disconnect()
        seen = self._memories.pop(identity, Seen())
        self._memories[identity] = seen
        while len(self._memories) > _REMEMBERED_ROOTS:
            del self._memories[next(iter(self._memories))]
        self._survey.enter(seen)
        self._schedule.scan_at_once()

    def _was_suspended(self) -> bool:
        before, self._suspended_s = self._suspended_s, suspended_s()
        return self._suspended_s > before + _SUSPENDED_S

    def _watches_died(self) -> bool:
        watches = self._survey.watches
        if watches is None or watches.alive:
            return False
        log.warning("%s: the inotify reader died; it is started again", self._shown)
        self._survey.disconnect()
        return True

    def _connect(self) -> None:
        if self._survey.connect(f"inotify:{self.spec.root}", self._hear):
            self._schedule.scan_at_once()

    def _scan(self) -> None:
        self._connect()
        self._rescan_wanted = False
        self._hints.lost = False
        started = self._clock.monotonic()
        if self._survey.scan(b"") and not self._survey.root_lost:
            now = self._clock.monotonic()
            self._schedule.scanned(now, now - started, unwatched=bool(self._survey.unwatched))

    def _poll(self) -> None:
        self._connect()
        started = self._clock.monotonic()
        self._survey.poll()
        now = self._clock.monotonic()
        self._schedule.polled(now, now - started, unwatched=bool(self._survey.unwatched))

    def _follow_hints(self) -> None:
        hints, survey = self._hints, self._survey
        if hints.lost:
            log.warning("%s: inotify lost events; scanning", self._shown)
            self._schedule.doubt(self._clock.monotonic())
        for (folder, name), hint in hints.entries.items():
            if survey.look(folder, name, hint):
                hints.folders.add(join(folder, name))
        if hints.folders:
            survey.scan(*hints.topmost_folders())
            now = self._clock.monotonic()
            self._schedule.polled(now, 0.0, unwatched=bool(survey.unwatched))

    def _hand_on(self) -> None:
        while not self._stopping.is_set() and self._handover.next_due() <= self._show_life():
            self._handover.hand_on()

    def _pulse(self) -> bool:
        """Called all through a scan: what settles meanwhile does not wait for its end."""
        self._hand_on()
        return not self._stopping.is_set()

    def _show_life(self) -> float:
        self._beat = self._clock.monotonic()
        return self._beat


def _spread() -> float:
    return random.uniform(0.75, 1.25)  # noqa: S311 - a spread of times, no secret
