"""What `status` says, from what the database keeps and what the daemon knows: pure."""

from collections.abc import Sequence
from typing import Any

import upscaled
from upscaled.cause import OF_MODEL
from upscaled.service.status.problem import Problem, ProblemCode
from upscaled.store.version import sqlite_version, wal_reset_bug
from upscaled.store.views import HistoryView, JobView, Overview, PauseView, RuleCounts
from upscaled.text import printable

SCHEMA_VERSION = 1
"""Of the JSON; raised only if a key ever had to go or to change its meaning."""

_LIVE_KEYS = ("stage", "done", "total", "seconds", "rate_mp_s", "eta_s")


def build_report(
    overview: Overview,
    live: dict[str, Any] | None,
    trouble: Sequence[Problem],
    *,
    silent: bool = False,
) -> dict[str, Any]:
    """The document behind `status --json`.

    `live` is None where no daemon answers; `silent`: because the one that runs does not, or in
    a way that is not understood.
    """
    flights = {flight["id"]: flight for flight in (live or {}).get("flights", [])}
    return {
        "schema_version": SCHEMA_VERSION,
        "version": upscaled.__version__,
        "sqlite": {"version": sqlite_version(), "warning": wal_reset_bug()},
        "daemon": _daemon(live, silent=silent),
        "workers": (live or {}).get("workers", []),
        "rules": _rules(overview, live, silent=silent),
        "running": [_running(job, flights.get(job.id)) for job in overview.running],
        "delayed": [_job(job) for job in overview.delayed],
        "failed": [_job(job) for job in overview.failed],
        "recent": [_job(job) for job in overview.recent],
        "problems": [
            *(problem.as_json() for problem in (*trouble, *_of_another_version(live))),
            *_once(live or {}, overview),
            *(_paused(pause).as_json() for pause in _by_itself(overview)),
        ],
        "notices": (live or {}).get("notices", []),
    }


def _of_another_version(live: dict[str, Any] | None) -> list[Problem]:
    theirs = (live or {}).get("version", upscaled.__version__)
    if theirs == upscaled.__version__:
        return []
    return [
        Problem(
            ProblemCode.VERSION_DIFFERS,
            f"the daemon runs version {theirs}, this command is {upscaled.__version__}",
            "systemctl --user restart upscaled (or: upscaled down; upscaled up)",
        )
    ]


def _daemon(live: dict[str, Any] | None, *, silent: bool) -> dict[str, Any]:
    if live is None and not silent:
        return {"running": False, "pid": None}
    keys = ("pid", "version", "uptime_s", "config_files")
    live = live or {}
    return {"running": True, "answers": bool(live)} | {key: live.get(key) for key in keys}


def _rules(
    overview: Overview, live: dict[str, Any] | None, *, silent: bool
) -> list[dict[str, Any]]:
    known = {rule["name"]: rule for rule in (live or {}).get("rules", [])}
    pauses = {pause.rule: pause for pause in overview.pauses}
    rules = []
    for name in dict.fromkeys([*known, *overview.rules]):
        pause = pauses.get(name) or pauses.get("")
        rules.append(
            {
                "name": name,
                "state": "unknown" if silent else _state(known.get(name), pause, live),
                "reason": pause and pause.reason,
                "hint": pause and pause.hint,
                "cause": pause and pause.code,
                **overview.rules.get(name, RuleCounts())._asdict(),
                "model": known.get(name, {}).get("model"),
                "output": known.get(name, {}).get("output"),
                "inboxes": known.get(name, {}).get("inboxes", []),
            }
        )
    return rules


def _state(
    rule: dict[str, Any] | None, pause: PauseView | None, live: dict[str, Any] | None
) -> str:
    if live is None:
        return "stopped"
    if rule is None:
        return "removed"
    if not rule["enabled"]:
        return "disabled"
    if pause is None:
        return "active"
    return "paused" if pause.cause == "user" else "waiting"


def _once(live: dict[str, Any], overview: Overview) -> list[dict[str, Any]]:
    """Without those of models for which rules wait: these say the same, and what to do."""
    waiting = {pause.rule for pause in _by_itself(overview) if pause.code in OF_MODEL}
    return [
        problem
        for problem in live.get("problems", [])
        if problem.get("code") != ProblemCode.MODEL_UNUSABLE
        or waiting.isdisjoint(problem.get("rules") or ())
    ]


def _by_itself(overview: Overview) -> list[PauseView]:
    return [pause for pause in overview.pauses if pause.cause == "environment"]


def _paused(pause: PauseView) -> Problem:
    again = f"it goes on by itself; to try now: upscaled resume {pause.rule}"
    return Problem(
        ProblemCode.RULE_WAITS,
        f"rule {pause.rule} waits: {pause.reason}",
        f"{pause.hint}; {again}" if pause.hint else again,
        subject=pause.rule,
        rules=(pause.rule,),
        cause=pause.code,
    )


def _running(job: JobView, flight: dict[str, Any] | None) -> dict[str, Any]:
    return _job(job) | {key: (flight or {}).get(key) for key in _LIVE_KEYS}


def _job(job: JobView) -> dict[str, Any]:
    return {
        "id": job.id,
        "rule": job.rule,
        "state": job.state,
        "file": printable(str(job.file)),
        "output": job.output and printable(str(job.output)),
        "attempts": job.attempts,
        "width_px": job.width_px,
        "height_px": job.height_px,
        "reason": job.reason,
        "cause": job.cause,
        "hint": job.hint,
        "notes": list(job.notes),
        "timings": job.timings,
        "figures": dict(job.figures),
        "duplicate_of": job.duplicate_of,
        "queued_at": job.queued_at,
        "claimed_at": job.claimed_at,
        "finished_at": job.finished_at,
        "not_before": job.not_before,
    }


def job_report(job: JobView, history: tuple[HistoryView, ...]) -> dict[str, Any]:
    """The document behind `show --json`."""
    events = [event._asdict() for event in history]
    return {"schema_version": SCHEMA_VERSION} | _job(job) | {"history": events}


def jobs_report(jobs: tuple[JobView, ...], total: int) -> dict[str, Any]:
    """The document behind `failed --json` and `queue --json`."""
    return {"schema_version": SCHEMA_VERSION, "total": total, "jobs": [_job(job) for job in jobs]}
