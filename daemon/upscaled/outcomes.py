"""How an attempt at a job ended."""

from dataclasses import dataclass, field
from pathlib import Path

from upscaled.cause import Cause


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
