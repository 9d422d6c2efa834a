"""A changed configuration: noticed by itself, and what it changes. Pure, but for `stat`."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from upscaled.clock import Clock
from upscaled.config.settings import RuleSettings, Settings

LOOK_S = 1.0
"""Between two looks at the files. A change counts once two agree: editors write in steps."""

State = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class Changes:
    """Between two configurations; rules by name."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    """Their jobs are held until a rule of that name is there again."""

    def __str__(self) -> str:
        parts = [
            f"{word} {', '.join(names)}"
            for word, names in (
                ("added", self.added),
                ("changed", self.changed),
                ("removed", self.removed),
            )
            if names
        ]
        return "; ".join(parts) or "no rule has changed"


def differences(old: Settings, new: Settings) -> Changes:
    before = {rule.name: rule for rule in old.rules}
    after = {rule.name: rule for rule in new.rules}
    return Changes(
        added=tuple(name for name in after if name not in before),
        changed=tuple(n for n, rule in after.items() if n in before and rule != before[n]),
        removed=tuple(name for name in before if name not in after),
    )


def questions(rules: Sequence[RuleSettings]) -> str:
    """A digest of all that decides whether some rule takes a file."""
    asked = [
        (rule.name, rule.roots, rule.recursive, rule.hidden, rule.include, rule.exclude, rule.when)
        for rule in rules
    ]
    return hashlib.sha256(repr(asked).encode("utf-8", "surrogateescape")).hexdigest()


class ConfigWatch:
    """Looks at the files of a configuration, and at the folders where more may appear."""

    def __init__(self, clock: Clock, paths: Iterable[Path]) -> None:
        self._clock = clock
        self._known = states(paths)
        self._seen = self._known
        self._look_at = clock.monotonic() + LOOK_S

    def has_changed(self) -> bool:
        """Whether something is not as it was, and has been so for two looks."""
        now = self._clock.monotonic()
        if now < self._look_at:
            return False
        self._look_at = now + LOOK_S
        last, self._seen = self._seen, states(self._known)
        return self._seen != self._known and self._seen == last

    def read(self) -> None:
        """The files are about to be read: what changes from now on is a change."""
        self._known = self._seen = states(self._known)

    def follow(self, paths: Iterable[Path]) -> None:
        """Look at these from now on; those that are looked at already keep their state."""
        self._known = {path: self._known.get(path, state(path)) for path in paths}
        self._seen = self._known


def states(paths: Iterable[Path]) -> Mapping[Path, State]:
    return {path: state(path) for path in paths}


def state(path: Path) -> State:
    """What changes when somebody writes, replaces or removes a file, or adds one to a folder."""
    try:
        found = os.stat(path)  # noqa: PTH116 (a name with NUL raises ValueError in both)
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
