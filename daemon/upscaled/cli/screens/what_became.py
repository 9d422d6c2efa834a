"""What became of a file, for `upscaled why`. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from upscaled.cli.screens.quantities import duration
from upscaled.store.views import JobView, PauseView


@dataclass(frozen=True, slots=True)
class NoJobYet:
    """What there is to know of a file that a rule takes and that has no job."""

    settle_s: float
    age_s: float
    """Since its last write."""
    is_running: bool = True
    is_known_to_daemon: bool = True
    """Whether the daemon watches for the same rules."""
    trouble: str | None = None
    """Why the daemon cannot be asked."""


def after_the_rules(
    takers: Sequence[str],
    jobs: Sequence[JobView],
    pauses: Sequence[PauseView],
    waits: NoJobYet | None,
    now: float,
) -> list[str]:
    told = [_of_job(jobs[0], now)] if jobs else []
    if waits is not None:
        told.append(_not_yet(waits))
    return told + [_of_pause(pause) for pause in pauses if pause.rule in {"", *takers}]


def _of_job(job: JobView, now: float) -> str:
    reason = f": {job.reason}" if job.reason else ""
    match job.state:
        case "done":
            same = f", the same image as job {job.duplicate_of}" if job.duplicate_of else ""
            return (
                f"job {job.id} is done: {job.output}{same}; it is done again only if the file "
                "changes (now: upscaled add FILE)"
            )
        case "failed":
            return f"job {job.id} failed{reason} (again: upscaled retry {job.id})"
        case "cancelled":
            return f"job {job.id} was cancelled{reason} (again: upscaled retry {job.id})"
        case "running":
            return f"job {job.id} is running"
    wait = job.not_before - now
    again = f", again in {duration(wait)}" if wait > 0 else ""
    return f"job {job.id} waits in the queue{again}{reason} (to the front: upscaled bump {job.id})"


def _of_pause(pause: PauseView) -> str:
    what = f"rule {pause.rule}" if pause.rule else "everything"
    resume = f"upscaled resume {pause.rule}".rstrip()
    return f"{what} is paused: {pause.reason} (continue: {resume})"


def _not_yet(waits: NoJobYet) -> str:
    if not waits.is_running:
        return "the daemon is not running (start it: upscaled up)"
    if waits.trouble is not None:
        return f"the daemon cannot be asked: {waits.trouble}"
    if not waits.is_known_to_daemon:
        return "the daemon runs with another configuration (load this one: upscaled reload)"
    if 0 <= waits.age_s < waits.settle_s * 2:
        return (
            f"it was written {duration(waits.age_s)} ago, and is taken "
            f"{duration(waits.settle_s)} after the last write"
        )
    return "it is not queued yet (look now: upscaled scan)"
