"""Hints that work as they stand: the configuration that was named is named again. Pure."""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

# Those that read it; the daemon's state, which others ask for, is the same for all of them.
_READERS = re.compile(
    r"\bupscaled (?:up|run|why|compare|doctor|service install|service unit|models pull"
    r"|config (?:check|show|init))\b(?! (?:-c|--config)\b)"
)
_NAMES = ("-c", "--config")


def with_config(hint: str, arguments: Sequence[str]) -> str:
    """`hint` with the `--config FILE` of `arguments` behind each command that reads one."""
    return naming(hint, given_config(arguments))


def naming(hint: str, files: Iterable[str | Path]) -> str:
    """`hint` with `--config FILE` for each of `files` behind each command that reads one."""
    words = "".join(f" --config {shlex.quote(str(file))}" for file in files)
    return _READERS.sub(lambda found: found[0] + words, hint) if words else hint


def given_config(arguments: Sequence[str]) -> Iterator[str]:
    """The files, as click takes them: `-c F`, `-cF`, `--config F`, `--config=F`."""
    words = iter(arguments)
    for word in words:
        if word == "--":
            return
        if word in _NAMES:
            yield from (file for file in [next(words, None)] if file is not None)
        elif word.startswith("--config="):
            yield word.removeprefix("--config=")
        elif word.startswith("-c"):
            yield word.removeprefix("-c")
