"""What became of a file, for `upscaled why`, and its whole answer as JSON. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upscaled.cli.explain import Answer, Explanation
from upscaled.cli.screens.quantities import duration
from upscaled.config.settings import RuleSettings
from upscaled.service.status.report import SCHEMA_VERSION, job_report
from upscaled.store.views import JobView, PauseView
from upscaled.text import printable


@dataclass(frozen=True, slots=True)
class NoJobYet:
    """What there is to know of a file that `rule` takes, and that has no job of that rule."""

    rule: str
    settle_s: float
    age_s: float
    """Since its last write."""
    daemon: str | None = None
    """Why the daemon does not take it: it is not running, watches for other rules …"""


def of_daemon(live: Mapping[str, Any], rule: RuleSettings, path: Path) -> str | None:
    """What keeps a daemon, whose `status` is `live`, from taking `path` by `rule`, if anything."""
    if live.get("opening"):
        return "the daemon is still starting"
    roots = {printable(str(root)) for root in rule.roots if path.is_relative_to(root)}
    inboxes = [
        inbox
        for theirs in live.get("rules", [])
        if theirs.get("name") == rule.name
        for inbox in theirs.get("inboxes", [])
        if inbox.get("folder") in roots
    ]
    if not inboxes:
        return "the daemon runs with another configuration (load this one: upscaled reload)"
    if all(inbox.get("watched_by") == "missing" for inbox in inboxes):
        return f"the daemon does not see its inbox: {inboxes[0].get('reason')}"
    return None


def after_the_rules(
    found: Explanation,
    jobs: Sequence[JobView],
    pauses: Sequence[PauseView],
    waits: NoJobYet | None,
    now: float,
) -> list[str]:
    """Lines to be shown below what each rule says. `jobs`: the last one first."""
    told = []
    if found.content_note is not None:
        told.append(found.content_note)
    elif found.needs_image_info:
        told.append("its header is not read here, as the file is large: the daemon decides")
    elif found.is_stranger:
        told.append("no inbox is needed to upscale it: upscaled run FILE, or upscaled add FILE")
    told += [_of_job(job, now) for job in last_of_each_rule(jobs)]
    if waits is not None:
        told.append(_not_yet(waits))
    return told + [_of_pause(pause) for pause in pauses if pause.rule in {"", *found.takers}]


def last_of_each_rule(jobs: Sequence[JobView]) -> list[JobView]:
    last: dict[str, JobView] = {}
    for job in jobs:
        last.setdefault(job.rule, job)
    return list(last.values())


def why_report(
    found: Explanation, *, exists: bool, told: Sequence[str], jobs: Sequence[JobView]
) -> dict[str, Any]:
    """The answer for programs: keys are only ever added."""
    obstacle = [f"it {found.obstacle}"] if found.obstacle else []
    return {
        "schema_version": SCHEMA_VERSION,
        "file": printable(str(found.path)),
        "exists": exists,
        "rule": found.takers[0] if found.takers else None,
        "rules": list(found.takers),
        "reason": printable(found.reason),
        "obstacle": found.obstacle and printable(found.obstacle),
        "verdicts": [_verdict(answer) for answer in found.answers],
        "told": [*map(printable, obstacle), *map(printable, told)],
        "jobs": [job_report(job, ()) for job in jobs],
    }


def _verdict(answer: Answer) -> dict[str, Any]:
    return {
        "rule": answer.rule,
        "takes": answer.takes,
        "reason": printable(answer.reason),
        "origin": printable(str(answer.origin)) if answer.origin else None,
    }


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
    if waits.daemon is not None:
        return waits.daemon
    if 0 <= waits.age_s < waits.settle_s * 2:
        return (
            f"it was written {duration(waits.age_s)} ago, and is taken "
            f"{duration(waits.settle_s)} after the last write"
        )
    return f"rule {waits.rule} has not queued it yet (look now: upscaled scan)"
