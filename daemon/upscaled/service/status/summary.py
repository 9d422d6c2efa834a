"""The one line that `systemctl --user status` shows."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from upscaled.log import escape
from upscaled.service.workers.slot import InFlight, WorkerReport
from upscaled.watch.spec import InboxView

if TYPE_CHECKING:
    from upscaled.service.daemon import Daemon


def describe(supervisor: "Daemon", is_ready: bool) -> str:
    views = supervisor.inboxes.views()
    states = [seat.state for seat in supervisor.dispatcher.seats]
    if supervisor.patience.trouble is not None:
        return trouble(supervisor.patience.trouble.message)
    if not is_ready:
        return starting(views, states)
    if supervisor.reload_error is not None:
        return refused(supervisor.reload_error)
    waiting, is_paused = supervisor.store.queue()
    flights = supervisor.dispatcher.flights
    return working(views, states, flights, waiting=waiting, is_paused=is_paused)


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
