"""What was seen and needs nothing any more, folder by folder, in few bytes for each file."""

UNWANTED = 0
"""Stands for the digest of a file that nobody wants by its name."""


class Folder:
    """One directory that was listed."""

    __slots__ = ("blind", "device", "inode", "names", "subfolders")

    def __init__(self, device: int, inode: int) -> None:
        self.device = device
        self.inode = inode
        self.blind: str | None = None
        """Type of the file system, where inotify sees nothing of it."""
        self.names: dict[bytes, int] = {}
        self.subfolders: set[bytes] = set()


class Seen:
    """All folders below a root, by their path relative to it; the root is `b""`."""

    def __init__(self) -> None:
        self._folders: dict[bytes, Folder] = {}
        self.files = 0
        """Settled ones; unwanted ones do not count."""

    def __len__(self) -> int:
        return len(self._folders)

    def folder(self, path: bytes) -> Folder | None:
        return self._folders.get(path)

    def open(self, path: bytes, device: int, inode: int) -> Folder:
        """The folder at `path`. One that was replaced keeps its names: fingerprints differ."""
        folder = self._folders.get(path)
        if folder is None:
            folder = self._folders[path] = Folder(device, inode)
        folder.device, folder.inode = device, inode
        return folder

    def put(self, path: bytes, name: bytes, digest: int) -> None:
        """Remember a file; nothing happens where its folder is gone."""
        folder = self._folders.get(path)
        if folder is None:
            return
        before = folder.names.get(name, UNWANTED)
        folder.names[name] = digest
        self.files += (digest != UNWANTED) - (before != UNWANTED)

    def drop(self, path: bytes, name: bytes) -> None:
        folder = self._folders.get(path)
        if folder is not None and folder.names.pop(name, UNWANTED) != UNWANTED:
            self.files -= 1

    def drop_tree(self, path: bytes) -> list[bytes]:
        """Forget a folder and all below it; gives the path of each."""
        dropped = []
        waiting = [path]
        while waiting:
            path = waiting.pop()
            folder = self._folders.pop(path, None)
            if folder is not None:
                self.files -= sum(digest != UNWANTED for digest in folder.names.values())
                waiting += (join(path, name) for name in folder.subfolders)
                dropped.append(path)
        return dropped


def join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def above(path: bytes) -> list[bytes]:
    """The folders that `path` lies in, the nearest first, the root last."""
    folders = []
    while path:
        path = split(path)[0]
        folders.append(path)
    return folders


def split(path: bytes) -> tuple[bytes, bytes]:
    """`(folder, name)`."""
    folder, _, name = path.rpartition(b"/")
    return folder, name
