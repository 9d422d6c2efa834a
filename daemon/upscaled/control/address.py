"""A socket's name in 108 bytes, however deep its folder is (unix(7))."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MOST_BYTES = 107


@contextmanager
def short_address(path: Path) -> Iterator[str]:
    """What to give to `bind` or `connect`; valid inside the `with` only."""
    if len(os.fsencode(path)) <= _MOST_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
