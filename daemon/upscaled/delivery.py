"""Where a result goes, how it is judged, and what becomes of its source."""

from dataclasses import dataclass
from pathlib import Path


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
