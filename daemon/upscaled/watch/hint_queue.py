"""What inotify said, brought down to what has to be looked at. No I/O."""

from dataclasses import dataclass, field

from upscaled.watch import fs
from upscaled.watch.seen import above
from upscaled.watch.settle import Hint


@dataclass(slots=True)
class Hints:
    """Hints of one round; many events on one entry are one look."""

    entries: dict[tuple[bytes, bytes], Hint] = field(default_factory=dict)
    """(folder, name) to look at."""
    folders: set[bytes] = field(default_factory=set)
    """Folders to list anew."""
    root_in_doubt: bool = False
    lost: bool = False
    """Events were lost: only a scan of everything helps."""

    def take(self, folders: tuple[bytes, ...], mask: int, name: bytes) -> None:
        """Take one inotify event, with the folders that its watch stands for."""
        if mask & fs.OVERFLOW:
            self.lost = True
        for folder in folders:
            if not mask & fs.SELF:
                self._take_entry((folder, name), mask)
            elif not folder:
                self.root_in_doubt = True
            elif mask & fs.ENDED:
                self.folders.add(folder)

    def topmost_folders(self) -> list[bytes]:
        """`folders` without those that lie below another of them."""
        return sorted(each for each in self.folders if self.folders.isdisjoint(above(each)))

    def _take_entry(self, entry: tuple[bytes, bytes], mask: int) -> None:
        if not entry[1]:
            return  # IN_ATTRIB of the folder itself; its parent's watch tells of it too
        if mask & (fs.CLOSED | fs.MOVED_IN):
            self.entries[entry] = Hint.COMPLETE
        elif mask & fs.CREATED:
            self.entries[entry] = Hint.CREATED
        else:
            self.entries.setdefault(entry, Hint.FOUND)
