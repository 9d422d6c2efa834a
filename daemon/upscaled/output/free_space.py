"""Whether a result can be written, asked before the device works for it."""

import ctypes
import errno
import os
from pathlib import Path

_LEAST_SHARE, _LEAST_SHARE_LOSSY = 4, 16
"""Photographs shrink to a half of their samples in PNG and to a tenth in JPEG; what is asked for
is less, as a file that would fit must never wait. The write itself has the last word."""
_SAYS_NO = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
)
_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def check_room(folder: Path, sample_bytes: int, *, is_lossy: bool) -> None:
    """For a picture of so many bytes of samples, in a format that loses some or none.

    Raises:
        OSError: ENOSPC, by bytes or by inodes, EDQUOT, EROFS, EACCES, or what else the system
            says of a file in this folder.
    """
    nearest = _nearest(folder)
    found = os.statvfs(nearest)
    needed = sample_bytes // (_LEAST_SHARE_LOSSY if is_lossy else _LEAST_SHARE)
    # File systems that count none of these say zero in all.
    no_bytes = found.f_blocks > 0 and found.f_bavail * found.f_frsize < needed
    no_inodes = found.f_files > 0 and found.f_favail == 0
    if no_bytes or no_inodes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    try:
        _try(nearest, needed)
    except OSError as error:
        # Many file systems know no files without a name; what they say then means nothing.
        if error.errno in _SAYS_NO:
            raise OSError(error.errno, os.strerror(error.errno), str(folder)) from error


def _try(folder: Path, size_bytes: int) -> None:
    """A file of this size without a name: permissions, quotas and mounts have their say."""
    fd = os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        if size_bytes and _libc.fallocate(fd, 0, 0, size_bytes) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(fd)


def _nearest(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.is_dir())
