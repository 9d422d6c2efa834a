"""What people name on a command line, as files: names, folders, patterns, a list on stdin."""

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from upscaled.config.settings import DEFAULT_INCLUDE
from upscaled.errors import UsageError

STDIN = Path("-")


class Named(NamedTuple):
    path: Path
    """Absolute."""
    relative: Path
    """Its folder below the one that was named."""
    folder: Path | None = None
    """The folder that was named."""


def expand(words: Iterable[Path]) -> Iterator[Named]:
    """Each file once, in the order in which they are named; folders give the images in them.

    Raises:
        UsageError: a name stands for nothing.
    """
    seen: set[Path] = set()
    for word in words:
        for named in _stdin() if word == STDIN else _expand(word):
            if named.path not in seen:
                seen.add(named.path)
                yield named


def _stdin() -> Iterator[Named]:
    """A name a line, or (`find -print0`) each ended by a zero byte."""
    if sys.stdin is None or sys.stdin.closed:
        raise UsageError("`-` needs a list of files on stdin", hint="find . -name '*.png' |")
    content = sys.stdin.buffer.read()
    for name in content.split(b"\0" if b"\0" in content else b"\n"):
        if name:
            yield from _expand(Path(os.fsdecode(name)))


def _expand(word: Path) -> Iterator[Named]:
    if word.is_dir():
        yield from _images(word)
    elif os.path.lexists(word):
        yield Named(word.absolute(), Path())
    else:
        # A pattern that the shell was kept from expanding.
        found = sorted(glob.glob(str(word), recursive=True)) if glob.has_magic(str(word)) else []  # noqa: PTH207  pathlib's takes no absolute one
        if not found:
            raise UsageError(f"there is no file {word}", hint="check the name")
        for match in found:
            yield from _expand(Path(match))


def _images(folder: Path) -> Iterator[Named]:
    suffixes = {pattern.removeprefix("*") for pattern in DEFAULT_INCLUDE}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in suffixes and path.is_file():
            yield Named(path.absolute(), path.parent.relative_to(folder), folder)
