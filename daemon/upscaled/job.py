"""A job: its file, its states, and one attempt at it. Plain frozen values."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from upscaled.cause import Cause
from upscaled.delivery import Delivery
from upscaled.recipe import Recipe


class JobState(StrEnum):
    """`waiting → running → done | failed | cancelled`, and `running → waiting`."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What `stat` says of a file's identity. Cheap to take; a change means new work."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int

    def matches(self, other: "Fingerprint") -> bool:
        """The same file. A device's number may be another one after each mount or start."""
        # A time before 1901 comes back from the database 2⁶⁴ ns later.
        same_time = (self.mtime_ns - other.mtime_ns) % (1 << 64) == 0
        return same_time and (self.inode, self.size_bytes) == (other.inode, other.size_bytes)


@dataclass(frozen=True, slots=True)
class MountIdentity:
    """What a folder was found to lie on, so that its disk is missed when it is gone."""

    mount: Path
    """Where its file system is mounted."""
    device: int
    inode: int
    """Both of the folder itself."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A settled file in an inbox.

    `reject_reason` says why it can never be an image (a directory, a pipe …); such an arrival is
    recorded as failed at once, so that a user sees why nothing happens to it.
    """

    path: Path
    fingerprint: Fingerprint
    reject_reason: str | None = None
    reject_cause: Cause = Cause.NOT_A_FILE
    """Of the rejection, where there is one."""


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What the header of an image says of it; width and height as it is seen upright."""

    width_px: int
    height_px: int
    format: str
    """`jpeg`, `png` …, by content, whatever the file is called."""
    gray: bool
    alpha: bool
    animated: bool


@dataclass(frozen=True, slots=True)
class Order:
    """One attempt at one job, as the worker gets it."""

    job_id: int
    rule: str
    source: Path
    relative: Path
    """The source's folder below the inbox; mirrored below the output folder."""
    fingerprint: Fingerprint | None
    """None: take the file as it is now (`upscaled run`)."""
    recipe: Recipe
    delivery: Delivery
    attempt: int = 1
    probe: bool = False
    """The rule has conditions on the picture: its header is described before any work."""
    inbox_mount: MountIdentity | None = None
    """What the inbox lay on; None: nobody has looked yet."""
    output_mount: MountIdentity | None = None

    @property
    def inbox(self) -> Path:
        """The inbox's root, as the rule names it."""
        return self.source.parents[len(self.relative.parts)]
