"""The hash of a file, and whether it is the one that was promised."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from upscaled.errors import ModelCorrupt


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def expect_sha256(path: Path, expected: str, *, named: str) -> None:
    """Check a file against its hash; it stays where it is.

    Raises:
        ModelCorrupt: it is another file.
    """
    found = sha256_of(path)
    if found != expected:
        raise ModelCorrupt(
            f"{named} is not the file it should be: sha256 {found}, expected {expected}",
            hint="fetch it again; if it differs again, the place it comes from was changed",
        )


@contextmanager
def removed_if_corrupt(path: Path) -> Iterator[None]:
    """A damaged file of ours goes, so that the next fetch makes it anew."""
    try:
        yield
    except ModelCorrupt:
        path.unlink(missing_ok=True)
        raise
