"""One inbox's folders: listing them, judging names, remembering what was seen. One thread."""

import os
import stat
from collections.abc import Callable

from upscaled.filesystem.mounts import Mount, mount_of, read_mounts
from upscaled.watch import ignore, listing
from upscaled.watch.candidates import Candidates
from upscaled.watch.fs import Watches
from upscaled.watch.ignore import Selection
from upscaled.watch.limits import explain_refusal, explain_unreadable, explain_unwatched
from upscaled.watch.seen import UNWANTED, Folder, Seen, above, join, split
from upscaled.watch.settle import Hint
from upscaled.watch.spec import InboxSpec

_PULSE_FILES = 2000
"""Files between two signs of life: about 10 ms of a scan."""


class Survey:
    """Compares what lies below the root with what was seen; what differs has to settle."""

    def __init__(
        self, spec: InboxSpec, candidates: Candidates, root: bytes, pulse: Callable[[], bool]
    ) -> None:
        """`pulse` is called every few milliseconds of a scan; False ends the scan."""
        self._spec = spec
        self._candidates = candidates
        self._root = root
        self._pulse = pulse
        self.watches: Watches | None = None
        self.no_watches_why: str | None = None
        """Why there is no inotify instance, while there is none."""
        self.unwatched: dict[bytes, str] = {}
        """Folders to be looked through, with the reason."""
        self.unwatched_why: str | None = None
        """The same in one sentence."""
        self.is_as_designed = True
        """What is not watched lies where inotify is blind, which nobody can mend."""
        self.root_unwatched = False
        self.root_lost = False
        """The root vanished while it was looked at; `enter` tells that it is back."""
        self._selection = Selection(spec, root)
        self._mounts: tuple[Mount, ...] = ()
        self._refusals: dict[int | None, str] = {}
        """By errno, explained once for each walk."""

    def connect(self, name: str, hint: Callable[[Watches, int, int, bytes], None]) -> bool:
        """Get an inotify instance, if there is none yet; True for a new one: it watches nothing."""
        if self.watches is not None:
            return False
        try:
            self.watches = Watches(name, hint)
        except OSError as error:
            self.no_watches_why = explain_refusal(error)
            return False
        return True

    def disconnect(self) -> None:
        watches, self.watches = self.watches, None
        if watches is not None:
            watches.close()

    def enter(self, seen: Seen) -> None:
        """Go on with what was seen in the directory that now is the root."""
        self._candidates.seen = seen
        self.unwatched.clear()
        self.root_lost = False

    @property
    def seen(self) -> Seen:
        return self._candidates.seen

    def scan(self, *tops: bytes) -> bool:
        """List these folders and all below them; False when it was cut short."""
        return self._walk(list(tops), deep=True)

    def poll(self) -> bool:
        """Look through the folders that are not watched; False when it was cut short."""
        return self._walk(list(self.unwatched), deep=False)

    def look(self, folder: bytes, name: bytes, hint: Hint) -> bool:
        """Look at one entry that an event named; True if it is a folder to be scanned."""
        parent = self.seen.folder(folder)
        if parent is None:
            return False
        try:
            status = os.lstat(self._path(join(folder, name)))
        except OSError as error:
            if error.errno in listing.GONE:
                self.gone(folder, name)
            return False
        return self._entry(parent, folder, name, status, hint)

    def gone(self, folder: bytes, name: bytes) -> None:
        """Forget one entry, of whatever kind it was."""
        path = join(folder, name)
        self._candidates.gone(path)
        parent = self.seen.folder(folder)
        if parent is not None and name in parent.subfolders:
            parent.subfolders.discard(name)
            self.drop(path)

    def drop(self, folder: bytes) -> None:
        """Forget a folder and everything below it."""
        for path in self.seen.drop_tree(folder):
            self.unwatched.pop(path, None)
            if self.watches is not None:
                self.watches.unwatch(path)

    def _walk(self, waiting: list[bytes], *, deep: bool) -> bool:
        """Not `deep`: of the subfolders only those not seen before are listed."""
        self._selection.refresh()
        self._mounts = read_mounts()
        self._refusals.clear()
        while waiting and self._pulse():
            below = self._list(waiting.pop())
            waiting += (path for path in below if deep or self.seen.folder(path) is None)
        self.root_unwatched = b"" in self.unwatched
        mendable = {path: why for path, why in self.unwatched.items() if not self._is_blind(path)}
        self.is_as_designed = not mendable
        self.unwatched_why = explain_unwatched(mendable or self.unwatched, self._spec)
        return self._pulse()

    def _is_blind(self, path: bytes) -> bool:
        folder = self.seen.folder(path)
        return folder is not None and folder.blind is not None

    def _list(self, path: bytes) -> list[bytes]:
        """List one folder; gives the subfolders to go on with."""
        full = self._path(path)
        try:
            status = os.stat(full, follow_symlinks=self._follows(path))  # noqa: PTH116 - bytes, as above
        except OSError as error:
            if error.errno in listing.GONE:
                self._vanished(path)
            else:
                self._unreadable(path, error)
            return []
        if not stat.S_ISDIR(status.st_mode):
            self._vanished(path)
            return []
        folder = self._open(path, full, status)
        present: set[bytes] = set()
        below = []
        entries = listing.Listing(full, folder.names, UNWANTED)
        for name, entry in entries:
            present.add(name)
            # The common case, 100,000 times: a regular file that did not change.
            differs = entry is not None and folder.names.get(name) != listing.digest_of(entry)
            if entry and differs and self._entry(folder, path, name, entry, Hint.FOUND):
                below.append(join(path, name))
            if not len(present) % _PULSE_FILES and not self._pulse():
                return []
        self._listed(folder, path, status, present, entries.error)
        return below

    def _listed(
        self,
        folder: Folder,
        path: bytes,
        status: os.stat_result,
        present: set[bytes],
        error: OSError | None,
    ) -> None:
        """Draw the conclusions from what a listing did, and did not, show."""
        if error is None:
            for name in [name for name in folder.names if name not in present]:
                self.seen.drop(path, name)
            for name in folder.subfolders - present:
                self.gone(path, name)
            if path and not ignore.is_image_like(path):
                self.seen.drop(*split(path))  # it may have been noted as shut
        elif error.errno in listing.SHUT:
            self.unwatched.pop(path, None)
            if path:
                self._candidates.consider(path, listing.shut_folder(status, error), Hint.FOUND)
        else:
            self._unreadable(path, error)

    def _vanished(self, path: bytes) -> None:
        if path:
            self.gone(*split(path))
        else:
            self.root_lost = True

    def _unreadable(self, path: bytes, error: OSError) -> None:
        """For now: nothing in it is taken to be gone, and the next poll tries again."""
        if error.errno not in listing.GONE | listing.SHUT:
            self.unwatched[path] = explain_unreadable(error)

    def _open(self, path: bytes, full: bytes, status: os.stat_result) -> Folder:
        # The watch comes before the listing: what is born in between is then seen by both.
        folder = self.seen.open(path, status.st_dev, status.st_ino)
        folder.blind = self._blindness(path, full, status)
        self.unwatched.pop(path, None)
        if folder.blind is not None:
            if self.watches is not None:
                self.watches.unwatch(path)
            self.unwatched[path] = f"inotify does not see changes on {folder.blind}"
            return folder
        refusal = self.no_watches_why
        if self.watches is not None:
            refusal = self._refusal(
                self.watches.watch(path, full, follow_symlinks=self._follows(path))
            )
        if refusal is not None:
            self.unwatched[path] = refusal
        return folder

    def _refusal(self, error: OSError | None) -> str | None:
        if error is None:
            return None
        if error.errno not in self._refusals:
            self._refusals[error.errno] = explain_refusal(error)
        return self._refusals[error.errno]

    def _blindness(self, path: bytes, full: bytes, status: os.stat_result) -> str | None:
        parent = self.seen.folder(split(path)[0]) if path else None
        if parent is not None and parent.device == status.st_dev:
            return parent.blind
        mount = mount_of(os.path.realpath(full), self._mounts)
        return mount.kind if mount is not None and mount.blind else None

    def _entry(
        self, folder: Folder, path: bytes, name: bytes, status: os.stat_result, hint: Hint
    ) -> bool:
        """Take one entry as it is now; True if it is a folder to be listed."""
        full = join(path, name)
        target = self._folder_at(full, status)
        enters = target is not None and self._enters(full, name, target)
        if enters:
            folder.subfolders.add(name)
        elif name in folder.subfolders:
            self.gone(path, name)
        if target is not None and not ignore.is_image_like(name):
            return enters
        if not self._selection.takes(full, name):
            if stat.S_ISREG(status.st_mode):
                self.seen.put(path, name, UNWANTED)
            return enters
        look = self._candidates.look(full, status)
        if look.reject_reason is None or ignore.is_image_like(name):
            self._candidates.consider(full, look, hint)
        return enters

    def _folder_at(self, path: bytes, status: os.stat_result) -> os.stat_result | None:
        """The directory's status if `path` is one, or a followed link to one."""
        if stat.S_ISLNK(status.st_mode) and self._spec.follow_symlinks:
            try:
                status = os.stat(self._path(path))  # noqa: PTH116 - bytes, as above
            except OSError:
                return None
        return status if stat.S_ISDIR(status.st_mode) else None

    def _enters(self, path: bytes, name: bytes, status: os.stat_result) -> bool:
        if not self._selection.enters(path, name, status):
            return False
        # A followed link, or a bind mount, to a folder that it lies in has no end.
        folders = map(self.seen.folder, above(path))
        return (status.st_dev, status.st_ino) not in {
            (folder.device, folder.inode) for folder in folders if folder is not None
        }

    def _follows(self, path: bytes) -> bool:
        # The root is what the user named, whether it is a symlink or not.
        return self._spec.follow_symlinks or not path

    def _path(self, relative: bytes) -> bytes:
        return join(self._root, relative) if relative else self._root
