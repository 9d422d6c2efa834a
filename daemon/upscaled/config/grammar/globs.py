"""gitignore patterns, case not respected: checked and compiled in one place."""

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_SIMPLE = re.compile(r"[\w*.?/ -]*[\w*?][\w*.?-]*/?")
"""Can always match something. Most patterns are of this kind: pathspec (20 ms) need not load."""


def complaint(pattern: str) -> tuple[str, str | None, int] | None:
    """(what is wrong, remedy, offset), or None for a pattern that can match something."""
    if not pattern.strip():
        return "an empty pattern", "remove it", 0
    if pattern.startswith(("~/", "!~/")):
        return "a pattern is relative to the watched folder", "remove the ~/", 0
    if pattern.startswith("#"):
        return "a pattern that begins with # is a comment to gitignore", "write \\#", 0
    if not (_SIMPLE.fullmatch(pattern) or _can_match(pattern)):
        hint = "is a [ without its ]?" if "[" in pattern else None
        return f"'{pattern}' can never match", hint, max(pattern.find("["), 0)
    return None


def _can_match(pattern: str) -> bool:
    from pathspec.patterns.gitignore import GitIgnorePatternError  # noqa: PLC0415  20 ms at start
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern  # noqa: PLC0415  as above

    try:
        return GitIgnoreSpecPattern(pattern.lower()).include is not None
    except (GitIgnorePatternError, re.error):
        return False


@lru_cache(maxsize=256)
def compiled(patterns: tuple[str, ...]) -> "GitIgnoreSpec":
    from pathspec import GitIgnoreSpec  # noqa: PLC0415  20 ms at start

    return GitIgnoreSpec.from_lines(pattern.lower() for pattern in patterns)


def deciding(patterns: tuple[str, ...], relative: str) -> tuple[bool, int | None]:
    """(whether `relative` is matched, index of the pattern that decided it or None)."""
    # pathspec's "." stops at line ends, which names of files may hold.
    found = compiled(patterns).check_file(relative.lower().replace("\n", "_"))
    return bool(found.include), found.index
