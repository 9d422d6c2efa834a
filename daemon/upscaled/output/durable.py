"""Every effect that has to outlive a power cut goes through here, and nothing else does.

Order for a new file: temporary name in the destination's folder → all bytes → fsync of the file →
its final name, by a call that never overwrites unless asked → fsync of the folder. A failed fsync
is never tried again on the same file: the kernel has marked the pages clean, and a second call
would lie (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020).
"""

import ctypes
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

Bytes = bytes | bytearray | memoryview

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_libc = ctypes.CDLL(None, use_errno=True)

# What a file system answers that knows no renameat2 flags, or no hard links (FAT, some FUSE).
_UNSUPPORTED = frozenset(
    {errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOTTY}
)
TEMPORARY_SUFFIX = ".part"


def temporary(target: Path, mark: str) -> Path:
    """Hidden, in the same folder, and ours by `mark`; short enough for any name."""
    return target.with_name(f".{mark}.upscaled{TEMPORARY_SUFFIX}")


def write(path: Path, chunks: Iterable[Bytes], mode: int = 0o666) -> None:
    """A new file with these bytes, durable; nothing is left behind where it fails.

    Raises:
        FileExistsError: there is one already.
        OSError: as the system says.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        try:
            for chunk in chunks:
                _write_all(fd, memoryview(chunk).cast("B"))
            os.fsync(fd)
        finally:
            os.close(fd)
    except BaseException:
        remove(path, missing_ok=True)
        raise


def _write_all(fd: int, view: memoryview) -> None:
    # A nearly full disk takes a part of it and reports no error.
    while view:
        view = view[os.write(fd, view) :]


def place(temporary_path: Path, target: Path, *, replace: bool) -> None:
    """Give a written file its final name, and make the name durable.

    Raises:
        FileExistsError: something stands at `target` and `replace` is not set.
    """
    if replace:
        # renameat2 with no flags is rename; one kind of call for all, so that faults can be
        # injected by its name.
        temporary_path.replace(target)
    else:
        rename_new(temporary_path, target)
    sync_folder(target.parent)


def rename_new(source: Path, target: Path) -> None:
    """Another name, but never that of something else; the name is not durable yet.

    Where the file system knows no call for it, a crash can leave an empty file at `target`: see
    `is_claim`.

    Raises:
        FileExistsError: something stands at `target`.
    """
    code = _libc.renameat2(
        _AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE
    )
    if code == 0:
        return
    number = ctypes.get_errno()
    if number not in _UNSUPPORTED:
        raise OSError(number, os.strerror(number), str(source), None, str(target))
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        # Neither call exists here: claim the name, then put the file over the claim.
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
        try:
            source.replace(target)
        except OSError:
            target.unlink()
            raise
    else:
        source.unlink()


def is_claim(path: Path) -> bool:
    """Whether it can be what a crash left where `rename_new` had to claim the name first."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == 0


def remove(path: Path, *, missing_ok: bool = False) -> None:
    path.unlink(missing_ok=missing_ok)


def sync(path: Path) -> None:
    """Make a file that stands there already, and its name, as durable as one of ours."""
    with opened(path) as fd:
        os.fsync(fd)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        # Some network and FUSE file systems have no fsync for folders; they sync names at once.
        if error.errno not in {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP}:
            raise
    finally:
        os.close(fd)


def make_folder(folder: Path, *, within: Path | None = None) -> None:
    """This folder and its missing parents, each name made durable.

    Raises:
        FileNotFoundError: `within` is missing, which is not to be made.
    """
    missing = []
    while not folder.is_dir():
        if folder == within:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
        sync_folder(new.parent)


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A file descriptor to read from; never blocks on a pipe, never follows a link."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        yield fd
    finally:
        os.close(fd)
