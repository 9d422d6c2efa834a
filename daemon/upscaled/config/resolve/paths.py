"""Paths as people write them, made absolute."""

import os
import pwd
from collections.abc import Callable
from pathlib import Path

from upscaled.config.findings import Findings
from upscaled.config.tree import Location, find, unshielded

NOWHERE = Path("/nonexistent")
"""Stands in for a path with a problem, which ends the load anyway."""


def expander(findings: Findings, home: Path) -> Callable[[str, Location], Path]:
    """Expands `~` and `~user`; relative paths start at the folder of the file they stand in."""

    def expand(written: str, at: Location) -> Path:
        written = unshielded(written)
        if "\0" in written:
            findings.error(at, "a path holds no NUL character")
            return NOWHERE
        if written.startswith("~"):
            return _tidy(_from_home(written, at, findings, home))
        beside = find(findings.tree, at)[0].mark.text.path.parent
        return _tidy(beside / written)

    return expand


def _from_home(written: str, at: Location, findings: Findings, home: Path) -> Path:
    user, _, rest = written[1:].partition("/")
    if not user:
        return home / rest
    try:
        return Path(pwd.getpwnam(user).pw_dir, rest)
    except KeyError:
        findings.error(
            at, f"there is no user '{user}'", f"write ./{written} for a folder of this name"
        )
        return NOWHERE


def _tidy(path: Path) -> Path:
    # With symlinks a/../b need not be b: only the file system knows.
    text = str(path)
    return Path(os.path.realpath(text) if ".." in path.parts else os.path.normpath(text))
