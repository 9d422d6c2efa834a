"""Whether there is room for a result, asked before the device works for it."""

import errno
import os
from pathlib import Path

_LOSSY = frozenset({"jpeg", "webp", "avif"})
_LEAST_SHARE, _LEAST_SHARE_LOSSY = 4, 16
"""Photographs shrink to a half of their samples in PNG and to a tenth in JPEG; what is asked for
is less, as a file that would fit must never wait. The write itself has the last word."""


def check_room(folder: Path, sample_bytes: int, form: str) -> None:
    """For a picture of so many bytes of samples, in this format.

    Raises:
        OSError: ENOSPC, by bytes or by inodes, or what the system says of the folder.
    """
    found = os.statvfs(_nearest(folder))
    needed = sample_bytes // (_LEAST_SHARE_LOSSY if form in _LOSSY else _LEAST_SHARE)
    # File systems that count none of these say zero in all.
    no_bytes = found.f_blocks > 0 and found.f_bavail * found.f_frsize < needed
    no_inodes = found.f_files > 0 and found.f_favail == 0
    if no_bytes or no_inodes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _nearest(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.is_dir())
