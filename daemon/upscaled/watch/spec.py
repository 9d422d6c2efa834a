"""What an inbox is asked to watch, what it delivers, and how it is."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from upscaled.job import Arrival, MountIdentity


@dataclass(frozen=True)
class InboxSpec:
    """One watched root; several rules may share it."""

    root: Path
    recursive: bool = True
    settle_s: float = 2.0
    hidden: bool = False
    """Whether dot files and dot folders are taken too."""
    follow_symlinks: bool = False
    """Whether folders that are links are entered."""
    excluded: frozenset[Path] = frozenset()
    """Absolute; neither these nor anything below them is seen, by whatever name they are met."""
    rescan_s: float = 300.0
    """Between two scans of everything, ±25 %."""
    poll_s: float = 10.0
    """Between two looks at folders where inotify sees nothing; their files settle as long."""
    wants: Callable[[Path], bool] | None = None
    """Asked once for each name, with the path below the root. None: every file is wanted."""
    mount_identity: MountIdentity | None = None
    """What the root lay on when it was last seen."""
    require_mount: bool | None = None
    """Whether it has to lie on a disk of its own; None: on the one that it was seen on."""


@dataclass(frozen=True, slots=True)
class ArrivalBatch:
    """Files that settled. Each is delivered once for each (path, fingerprint)."""

    root: Path
    arrivals: tuple[Arrival, ...]
    scanned: bool
    """Whether some of them were found by a scan, with no event to announce them."""


@dataclass(frozen=True, slots=True)
class InboxView:
    """An inbox at a glance, for `status` and the supervisor."""

    root: Path
    watched_by: Literal["inotify", "polled", "missing"]
    reason: str | None
    """What is not as it should be, and what to change; None when all is well."""
    files: int
    """Settled and still there."""
    settling: int
    last_scan_s: float | None
    """How long the last scan of everything took."""
    alive: bool
    beat_monotonic: float
    """The clock's reading when its thread last showed itself."""
    first_scan_done: bool
    mount_identity: MountIdentity | None = None
    """What the root lies on, once that was seen."""
    is_held: bool = False
    """The disk does not answer: the thread waits for it in the kernel, which no restart mends."""
    is_well: bool = False
    """If there is a reason, it is no trouble: a network mount is polled, as it has to be."""


def shown(path: Path) -> str:
    """For people: whatever is not UTF-8, or not printable, is escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
