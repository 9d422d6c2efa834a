"""What people name on a command line, as files: names, folders, patterns, a list on stdin."""

import glob
import json
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


def from_json(text: str) -> tuple[Path, ...]:
    """The files of `{"image": FILE}` or `{"images": [FILE, …]}`, for `expand`.

    Raises:
        UsageError: it is anything else.
    """
    wanted = """give '{"image": "photo.png"}' or '{"images": ["a.png", "b.png"]}'"""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--input is no JSON: {error}", hint=wanted) from error
    match given:
        case {"image": str(name), **more} if not more:
            names = [name]
        case {"images": [*names], **more} if names and not more:
            pass
        case _:
            raise UsageError("--input does not say which images", hint=wanted)
    return tuple(_named(name, wanted) for name in names)


def _named(name: object, wanted: str) -> Path:
    if not isinstance(name, str) or not name or "\0" in name:
        raise UsageError(f"--input: {name!r} is not a valid file name", hint=wanted)
    try:
        os.fsencode(name)
    except UnicodeEncodeError as error:
        raise UsageError(f"--input: {name!r} is not a valid file name", hint=wanted) from error
    # No shell has expanded `~` in quotes; and here `-` is a file.
    return Path(os.path.expanduser(name)).absolute()  # noqa: PTH111 (pathlib's raises)


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
