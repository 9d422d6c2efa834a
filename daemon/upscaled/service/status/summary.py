"""The one line that `systemctl --user status` shows. Pure."""

from collections.abc import Iterable, Sequence

from upscaled.log import escape
from upscaled.service.status.snapshot import Snapshot
from upscaled.service.workers.in_flight import InFlight
from upscaled.service.workers.worker_report import WorkerReport
from upscaled.watch.spec import InboxView


def summarise(snapshot: Snapshot) -> str:
    reports = [worker.report for worker in snapshot.workers]
    if snapshot.store_trouble is not None:
        return trouble(snapshot.store_trouble.message)
    if not snapshot.is_ready:
        return starting(snapshot.inboxes, reports)
    if snapshot.reload_error is not None:
        return refused(snapshot.reload_error)
    return working(
        snapshot.inboxes,
        reports,
        snapshot.in_flight,
        waiting=snapshot.waiting,
        is_paused=snapshot.is_paused,
    )


def starting(views: Sequence[InboxView], states: Sequence[WorkerReport]) -> str:
    """What READY waits for."""
    for state in states:
        if state.fetching is not None:
            return f"Starting: fetching {state.fetching.model}{_share(state)}"
    for view in views:
        if not is_scanned(view):
            return escape(
                f"Starting: looking through {view.root} ({view.files + view.settling} files)"
            )
    return "Starting: loading the model"


def working(
    views: Sequence[InboxView],
    states: Sequence[WorkerReport],
    flights: Sequence[InFlight],
    *,
    waiting: int,
    is_paused: bool,
) -> str:
    """What is being done, how much waits, on what."""
    parts = [_doing(views, flights)]
    if is_paused:
        parts.insert(0, "Paused")
    if waiting:
        parts.append(f"{_count(waiting, 'file')} queued")
    unusable = [model for state in states for model in state.unusable]
    if unusable:
        parts.append(f"model {unusable[0]} cannot be used: see upscaled status")
    parts.append(", ".join(dict.fromkeys(_residents(states))) or "no model loaded")
    return escape(" · ".join(parts))


def refused(reason: str) -> str:
    """After a reload of a broken configuration."""
    first = reason.splitlines()[0] if reason else ""
    return escape(f"The changed configuration is refused, the old one holds: {first}")


def trouble(reason: str) -> str:
    return escape(f"Everything waits: {reason}")


def is_scanned(view: InboxView) -> bool:
    """An inbox that is not there now (an unmounted disk) is waited for, not for the start."""
    return view.first_scan_done or view.watched_by == "missing" or view.is_held


def _doing(views: Sequence[InboxView], flights: Sequence[InFlight]) -> str:
    if not flights:
        return f"Watching {_count(len(views), 'inbox', 'inboxes')}"
    first = flights[0]
    share = f" {first.done / first.total:.0%}" if first.stage == "upscale" and first.total else ""
    others = f" and {len(flights) - 1} more" if len(flights) > 1 else ""
    return f"Upscaling {first.order.source.name}{share}{others}"


def _residents(states: Iterable[WorkerReport]) -> Iterable[str]:
    for state in states:
        if (known := state.resident) is not None:
            yield f"{known.model} on {known.device} ({known.precision})"


def _share(state: WorkerReport) -> str:
    fetching = state.fetching
    if fetching is None or not fetching.done_bytes:
        return ""
    if fetching.total_bytes:
        return f" {fetching.done_bytes / fetching.total_bytes:.0%}"
    return f" {fetching.done_bytes / 1e6:.0f} MB"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
