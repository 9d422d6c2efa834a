"""A source file, read once, and proof that it is still the same."""

import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from upscaled.errors import (
    EnvironmentTrouble,
    ImageTooLarge,
    SourceChanged,
    SourceVanished,
    UnsupportedImage,
)
from upscaled.filesystem import mount_guard
from upscaled.job import Fingerprint, Order
from upscaled.output import durable

MAX_SOURCE_BYTES = 4_000_000_000
"""The largest image that is decoded (500 MP of 4 × 16 bits), written without compression."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    content: bytes
    sha256: str
    fingerprint: Fingerprint
    mode: int = 0o666
    """Who may read and write a result of it, before the umask: its owner, and whom it lets."""


def read(order: Order) -> SourceFile:
    """All bytes through one descriptor, with `fstat` before and after.

    Raises:
        SourceVanished: nothing stands there.
        SourceChanged: not the file that was queued, or it changed meanwhile.
        UnsupportedImage: a folder, a link, a pipe or a device.
        ImageTooLarge: more than `MAX_SOURCE_BYTES`; nothing of it was read.
        EnvironmentTrouble: no permission, or the disk fails, or is not mounted.
    """
    try:
        with durable.opened(order.source) as fd:
            found, mode = _fingerprint(fd), os.fstat(fd).st_mode
            if order.fingerprint is not None and not found.matches(order.fingerprint):
                raise SourceChanged
            if found.size_bytes > MAX_SOURCE_BYTES:
                raise ImageTooLarge(
                    f"{found.size_bytes / 1e9:.1f} GB is more than {MAX_SOURCE_BYTES / 1e9:.0f} GB",
                    hint="cut it into parts first",
                )
            with open(fd, "rb", closefd=False) as stream:
                content = stream.read()
            if _fingerprint(fd) != found:
                raise SourceChanged
    except OSError as error:
        raise _meaning(error, order) from error
    return SourceFile(content, hashlib.sha256(content).hexdigest(), found, (mode & 0o666) | 0o600)


def _meaning(error: OSError, order: Order) -> Exception:
    source = order.source
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        if order.inbox_mount is not None:
            # It raises where the whole disk is gone, and not this file.
            mount_guard.check_mount(order.inbox, order.inbox_mount, required=None)
        return SourceVanished()
    if error.errno == errno.ELOOP:
        return UnsupportedImage("it is a symbolic link", hint="put the file itself there")
    return EnvironmentTrouble(
        f"cannot read {source.name}: {error.strerror}",
        hint=f"check its permissions: ls -l {source}",
    )


def _fingerprint(fd: int) -> Fingerprint:
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        raise UnsupportedImage("it is not a regular file")
    return Fingerprint(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def is_unchanged(path: Path, expected: Fingerprint) -> bool:
    """Whether the name still leads to the very file that was read."""
    try:
        with durable.opened(path) as fd:
            return _fingerprint(fd) == expected
    except (OSError, UnsupportedImage):
        return False
