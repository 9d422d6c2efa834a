"""Looking at paths: what one is, and what lies in a folder. Nothing here raises for the world."""

import errno
import os
import stat
from collections.abc import Iterator

from upscaled.job import Fingerprint
from upscaled.watch.settle import Look

GONE = frozenset((errno.ENOENT, errno.ENOTDIR))
SHUT = frozenset((errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP))
"""Errors of a folder that stay until somebody changes it; all others may pass."""


def digest_of(status: os.stat_result) -> int:
    """The same as `Look.digest` of a regular file, without its three objects."""
    return hash((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))


def look_with(path: bytes, status: os.stat_result) -> Look:
    """What stands at `path`, whose `lstat` result is at hand.

    A link to a file is none: what becomes of a source would happen to the link, or beyond it.
    """
    if stat.S_ISLNK(status.st_mode):
        if not os.path.exists(path):  # noqa: PTH110 - bytes: names need not be UTF-8
            return _odd(status, "is a symbolic link to nothing")
        return _odd(status, "is a symbolic link: put the file itself there")
    if stat.S_ISREG(status.st_mode):
        mark = Fingerprint(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        return Look(mark, links=status.st_nlink)
    if stat.S_ISDIR(status.st_mode):
        return _look_at_folder(path, status)
    return _odd(status, f"is a {_kind(status.st_mode)}, not an image")


def shut_folder(status: os.stat_result, error: OSError) -> Look:
    return _odd(status, f"is a directory that cannot be read ({error.strerror})")


class Listing:
    """The entries of one folder, once: `(name, lstat result)`.

    The result is None for regular files that `unwanted` names: they are not looked at. After the
    iteration `error` says why it is not complete; what merely vanished is left out silently.
    """

    def __init__(self, path: bytes, unwanted: dict[bytes, int], unwanted_mark: int) -> None:
        self._path = path
        self._unwanted = unwanted
        self._mark = unwanted_mark
        self.error: OSError | None = None

    def __iter__(self) -> Iterator[tuple[bytes, os.stat_result | None]]:
        try:
            with os.scandir(self._path) as entries:
                for entry in entries:
                    name = entry.name
                    if self._unwanted.get(name) == self._mark and entry.is_file(
                        follow_symlinks=False
                    ):
                        yield name, None
                        continue
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except OSError as error:
                        if error.errno not in GONE:
                            self.error = error
                        continue
                    yield name, status
        except OSError as error:
            self.error = error


def _odd(status: os.stat_result, reject_reason: str, *, is_open_folder: bool = False) -> Look:
    # A directory's mtime changes with each file in it, a pipe's with each byte through it.
    mark = Fingerprint(status.st_dev, status.st_ino, 0, 0)
    return Look(mark, reject_reason=reject_reason, is_open_folder=is_open_folder)


def _look_at_folder(path: bytes, status: os.stat_result) -> Look:
    try:
        os.scandir(path).close()
    except OSError as error:
        if error.errno in SHUT:
            return shut_folder(status, error)
    return _odd(status, "is a directory, not an image", is_open_folder=True)


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "named pipe"
    return "socket" if stat.S_ISSOCK(mode) else "device"
