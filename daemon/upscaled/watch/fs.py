"""The watchdog adapter: one inotify instance, one watch for each directory, raw hints out.

It stands on `InotifyFD`, the reader thread below watchdog's observers, and not on
`InotifyObserver`, which loses what we need to know: it swallows the refusal of a watch on a
subdirectory, tells of an overflow only in a log line, never reports IN_MOVE_SELF or IN_UNMOUNT,
holds all events back for up to 0.5 s behind an unpaired rename, and walks moved-in trees itself
(watchdog 7.1, observers/inotify.py). The scan has to visit each directory anyway: here it asks
for each directory's watch, and knows which ones it did not get.
"""

import errno
import itertools
import os
from collections.abc import Callable

from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)

from upscaled.watch.limits import try_descriptors

CREATED = int(InotifyConstants.IN_CREATE)
MOVED_IN = int(InotifyConstants.IN_MOVED_TO)
CLOSED = int(InotifyConstants.IN_CLOSE_WRITE)
CHANGED = int(InotifyConstants.IN_ATTRIB)
LEFT = int(InotifyConstants.IN_DELETE | InotifyConstants.IN_MOVED_FROM)
SELF = int(
    InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_UNMOUNT
    | InotifyConstants.IN_IGNORED
)
ENDED = int(InotifyConstants.IN_UNMOUNT | InotifyConstants.IN_IGNORED)
OVERFLOW = int(InotifyConstants.IN_Q_OVERFLOW)

# No IN_MODIFY: a slow copy would send an event for each write, and the second look at the end
# of the window sees the same. IN_ATTRIB: a folder that was unreadable may become readable.
_MASK = (
    CREATED
    | MOVED_IN
    | CLOSED
    | CHANGED
    | LEFT
    | int(InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_MOVE_SELF)
    | int(InotifyConstants.IN_ONLYDIR | InotifyConstants.IN_EXCL_UNLINK)
)
_JOIN_S = 5.0


class Watches:
    """Watches on the folders of one inbox. One thread calls; `hint` is called from another.

    `hint(self, watch, mask, name)` must neither block nor raise: it would stop all hints.
    """

    def __init__(self, name: str, hint: Callable[["Watches", int, int, bytes], None]) -> None:
        """Raises OSError where the kernel gives no inotify instance."""
        self._hint = hint
        self._closed = False
        self._ids = itertools.count(1)
        self._watches: dict[bytes, tuple[WatchDescriptor, CallbackId]] = {}
        # Several, where a directory is seen by several ways (bind mounts, symlinks).
        self._folders: dict[int, tuple[bytes, ...]] = {}
        # InotifyFD opens one descriptor after another, and leaks the first where the last fails.
        try_descriptors()
        self._reader = InotifyFD()
        self._reader.name = name
        self._reader.start()

    def __len__(self) -> int:
        return len(self._watches)

    @property
    def alive(self) -> bool:
        return self._reader.is_alive()

    def folders(self, watch: int) -> tuple[bytes, ...]:
        """The folders a hint is about; none for one that is not watched any more."""
        return self._folders.get(watch, ())

    def watch(self, folder: bytes, path: bytes, *, follow_symlinks: bool) -> OSError | None:
        """Watch `path` as `folder`; gives the error where that is refused.

        Asked again for a watched folder it makes sure that the watch is on what stands there
        now: its end may have been among the events that an overflow lost.
        """
        mask = _MASK | (0 if follow_symlinks else int(InotifyConstants.IN_DONT_FOLLOW))
        mark = CallbackId(next(self._ids))
        try:
            watch = self._reader.add_callback(path, Mask(mask), self, mark)
        except OSError as error:
            self.unwatch(folder)
            return error
        if watch == -1:  # watchdog's answer to EACCES
            self._reader.remove_callbacks([(watch, mark)])
            self.unwatch(folder)
            return OSError(errno.EACCES, os.strerror(errno.EACCES))
        before = self._watches.get(folder)
        if before is not None and before[0] == watch:
            self._reader.remove_callbacks([(watch, mark)])
            return None
        self.unwatch(folder)
        self._watches[folder] = (watch, mark)
        self._folders[watch] = (*self._folders.get(watch, ()), folder)
        return None

    def unwatch(self, folder: bytes) -> None:
        found = self._watches.pop(folder, None)
        if found is not None:
            others = tuple(other for other in self._folders.pop(found[0]) if other != folder)
            if others:
                self._folders[found[0]] = others
            self._reader.remove_callbacks([found])

    def close(self) -> None:
        self._closed = True
        self._reader.stop()
        self._reader.join(_JOIN_S)

    # What the reader thread calls (watchdog's WatchCallback).

    def on_event(self, event: InotifyEvent) -> None:
        if not self._closed:
            self._hint(self, event.wd, event.mask, event.name)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        if not self._closed:
            self._hint(self, wd, int(InotifyConstants.IN_IGNORED), b"")

    def on_queue_overflow(self) -> None:
        if not self._closed:
            self._hint(self, -1, OVERFLOW, b"")
