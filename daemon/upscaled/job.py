"""The nouns that cross the seams: plain frozen values, no behaviour that has an effect."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from upscaled.cause import Cause


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

    `oddity` says why it can never be an image (a directory, a pipe …); such an arrival is
    recorded as failed at once, so that a user sees why nothing happens to it.
    """

    path: Path
    fingerprint: Fingerprint
    reject_reason: str | None = None


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


IMAGE_UPSCALE = "image-upscale"
IMAGE_DENOISE = "image-denoise"
IMAGE_SHARPEN = "image-sharpen"
IMAGE_RESIZE = "image-resize"
IMAGE_FACES = "image-face-restore"
IMAGE_QUALITY = "image-quality"
SHELL = "shell"


@dataclass(frozen=True, slots=True)
class Fit:
    """How large a result has to be, whatever the source is. Only one way of saying it is used;
    width and height together are a box that it fits into. Nothing is ever stretched.
    """

    width_px: int | None = None
    height_px: int | None = None
    long_edge_px: int | None = None
    short_edge_px: int | None = None
    megapixels: float | None = None
    """Millions of pixels."""
    only_if_smaller: bool = False
    """Leave an image alone that is as large already; else it is made smaller."""


_LATER = {
    *("fit", "lossless", "effort", "chroma", "metadata", "provenance", "on_too_large"),
    *("colour_fix", "stages", "result"),
}


@dataclass(frozen=True, slots=True)
class StageRecipe:
    """One step of a workflow, resolved: what is done to which images."""

    task: str
    name: str = ""
    inputs: tuple[str, ...] = ("",)
    """Names of stages that stand before it; empty: the source."""
    model: str | None = None
    """As in `Recipe`; None: none is needed."""
    scale: float | None = None
    fit: Fit | None = None
    tile_px: int | None = None
    precision: str = "auto"
    numbers: tuple[tuple[str, float], ...] = ()
    """The parameters of its task, by name."""
    command: tuple[str, ...] = ()
    detector: str | None = None
    """The absolute path of what finds faces."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides the bytes of an output: a snapshot taken when a file is queued."""

    model: str
    """Name in the catalogue, or the absolute path of a model file."""
    scale: float | None = None
    """Output pixels for each input pixel along an edge; None: what the model gives."""
    format: str = "same"
    quality: int | None = None
    tile_px: int | None = None
    """Edge of the input tile; None: found by measurement. It never changes the pixels."""
    precision: str = "auto"
    fit: Fit | None = None
    """A size instead of a scale."""
    lossless: bool | None = None
    """None: as the source was, where that is known."""
    effort: str = "normal"
    """`fast`, `normal` or `best`: time against bytes."""
    chroma: str | None = None
    """`4:4:4`, `4:2:2` or `4:2:0`; None: 4:4:4."""
    metadata: str = "keep"
    """`keep`, or `strip`: all but profile and resolution."""
    provenance: bool = True
    """Whether a result says in its metadata what it was made by."""
    on_too_large: str = "fail"
    """`fail`, `png` or `downscale`, where its format cannot hold a result of this size."""
    colour_fix: bool = True
    """Give back to a result the local averages of the source, which networks drift from."""
    source_limit_mp: float = 500.0
    """Of a source; checked before any pixel is decoded."""
    stages: tuple[StageRecipe, ...] = ()
    """Of a workflow, each after all that it takes from; none: `model`, once."""
    result: str = ""
    """The stage whose image is the result."""

    @property
    def models(self) -> tuple[str, ...]:
        """All that it needs; a workflow may need several, or none."""
        if not self.stages:
            return (self.model,)
        return tuple(dict.fromkeys(stage.model for stage in self.stages if stage.model))

    @property
    def networks(self) -> tuple["Recipe", ...]:
        """The same, each with all that makes it another network in memory."""
        if not self.stages:
            return (Recipe(self.model, tile_px=self.tile_px, precision=self.precision),)
        loaded = (
            Recipe(stage.model, tile_px=stage.tile_px, precision=stage.precision)
            for stage in self.stages
            if stage.model
        )
        return tuple(dict.fromkeys(loaded))

    def digest(self) -> str:
        """Hex SHA-256 of what changes pixels; equal recipes give equal outputs."""
        parts = asdict(self)
        del parts["tile_px"], parts["source_limit_mp"]
        if self.scale is not None and float(self.scale).is_integer():
            parts["scale"] = int(self.scale)  # 4 and 4.0 are one scale, and not one text
        usual = Recipe(self.model)
        for key in _LATER & {key for key in parts if getattr(self, key) == getattr(usual, key)}:
            del parts[key]  # so that results of versions that had none are still known
        for stage in parts.get("stages", ()):
            del stage["tile_px"]
            if stage["detector"] is None:
                del stage["detector"]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Extra:
    """One more result of a workflow: what a stage before the last one gave."""

    stage: str
    folder: Path
    name: str
    format: str = "same"
    quality: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """What a result has to be like, measured against its source, and what else is said of it."""

    min_psnr_db: float | None = None
    min_ssim: float | None = None
    max_colour_drift: float | None = None
    """Levels of 255."""
    on_low_quality: str = "warn"
    """`accept`, `warn`, `fail`, or `review`: the result goes into `review_folder` instead."""
    review_folder: Path | None = None
    sidecar: bool = False
    """Whether the figures are written beside the result, as JSON."""
    sheet: str | None = None
    """`png` or `html`: before and after, beside the result."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where a result goes and what becomes of its source."""

    folder: Path
    name: str = "{stem}_{scale}x.{ext}"
    collision: str = "number"
    """`number`: photo_4x-2.png; `replace`: overwrite; `fail`."""
    on_success: str = "keep"
    """`keep`, `delete`, `trash` (the desktop's), or `move`."""
    success_folder: Path | None = None
    on_failure: str = "keep"
    """`keep`, or `move`."""
    failure_folder: Path | None = None
    extras: tuple[Extra, ...] = ()
    check: Check | None = None
    require_mount: bool | None = None
    """Whether `folder` has to lie on a disk of its own; None: on the one it was seen on."""


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


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds of wall time for each part of one job."""

    decode_s: float = 0.0
    upscale_s: float = 0.0
    encode_s: float = 0.0
    publish_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """A file that stands, or is about to, under its final name."""

    path: Path
    sha256: str
    width_px: int
    height_px: int
    scale: float
    """Output pixels for each pixel of the source along an edge."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An earlier result of the same bytes by the same rule and recipe."""

    job_id: int
    result: Result


@dataclass(frozen=True, slots=True)
class SourceFate:
    """What became of a source, or why it stayed."""

    cause: Cause
    note: str
    """For people."""
    place: Path | None = None
    """Where it is now, if it was moved."""


@dataclass(frozen=True, slots=True)
class Done:
    """The result is durable."""

    result: Result
    content_sha256: str
    """Of the source's bytes."""
    timings: Timings = field(default_factory=Timings)
    duplicate_of: int | None = None
    """The job whose result this one repeats: the same bytes by the same rule and recipe."""
    notes: tuple[str, ...] = ()
    """What the user should know of it, for example that tiling was not exact."""
    figures: dict[str, float] = field(default_factory=dict)
    """Of a quality check, by name; the worst frame's."""
    stages_s: dict[str, float] = field(default_factory=dict)
    """Seconds of wall time for each stage of a workflow."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The image itself is at fault; trying again cannot help."""

    reason: str
    hint: str | None = None
    cause: Cause = Cause.OTHER


@dataclass(frozen=True, slots=True)
class Retry:
    """The image is at fault, but time may mend it (a truncated file may be arriving)."""

    reason: str
    cause: Cause = Cause.OTHER


@dataclass(frozen=True, slots=True)
class Snoozed:
    """The environment is at fault: no attempt is used, it resumes by itself."""

    reason: str
    whole_rule: bool = True
    """Whether it would hit each job of the rule (a full disk) or this file only."""
    hint: str | None = None
    cause: Cause = Cause.ENVIRONMENT


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Stopped on request between two tiles: the attempt is given back."""


@dataclass(frozen=True, slots=True)
class Changed:
    """The source changed while it was worked on: it has to settle again."""


@dataclass(frozen=True, slots=True)
class Vanished:
    """The source is gone: nothing to do any more."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Not wanted: by a person, or by its rule."""

    reason: str
    cause: Cause = Cause.OTHER


Outcome = Done | Failed | Retry | Snoozed | Interrupted | Changed | Vanished | Cancelled
