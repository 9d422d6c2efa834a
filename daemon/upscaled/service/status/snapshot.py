"""The daemon at one moment: `status`, systemd, metrics and notifications are made of it."""

from dataclasses import dataclass, field
from pathlib import Path

from upscaled.config.settings import Settings
from upscaled.errors import StoreUnavailable
from upscaled.service.workers.in_flight import InFlight
from upscaled.service.workers.worker_report import WorkerReport
from upscaled.watch.spec import InboxView


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One device and its worker."""

    device: str
    pid: int | None = None
    """None: none runs."""
    restart_in_s: float | None = None
    """Until a dead one is started again."""
    last_death: str | None = None
    """As it follows "the worker"."""
    is_stuck: bool = False
    """It was killed and does not go."""
    report: WorkerReport = field(default_factory=WorkerReport)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Taken in the daemon's main thread, once a round and for each `status`."""

    store: Path
    settings: Settings
    now: float
    """Seconds since 1970."""
    monotonic: float
    started_at: float
    """Seconds since 1970."""
    is_opening: bool = False
    """The state folder cannot be used yet: nothing below is known."""
    is_ready: bool = False
    reload_error: str | None = None
    """Why a changed configuration is refused."""
    store_trouble: StoreUnavailable | None = None
    """The database cannot be written: everything waits."""
    inboxes: tuple[InboxView, ...] = ()
    workers: tuple[WorkerView, ...] = ()
    in_flight: tuple[InFlight, ...] = ()
    source_troubles: tuple[str, ...] = ()
    hook_troubles: tuple[str, ...] = ()
    waiting: int = 0
    """Queued files, as last counted."""
    is_paused: bool = False
    """All, by hand."""
    has_open_ends: bool = False
    """A source is still to be moved or deleted, or a hook to be run."""
    is_due_soon: bool = True
    """Whether a job is to be tried now or before long; known in a single pass alone."""

    @property
    def needs_model(self) -> bool:
        return any(rule.enabled for rule in self.settings.rules)

    @property
    def is_drained(self) -> bool:
        """Whether all that lay in the inboxes is done, and everybody who is told of it was told."""
        return (
            all(view.first_scan_done and not view.settling for view in self.inboxes)
            and not self.in_flight
            and not self.has_open_ends
            and not self.is_due_soon
        )
