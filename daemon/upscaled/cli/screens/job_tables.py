"""Lists of jobs as tables. Pure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from upscaled.cli.screens.layout import Column, Line, Span, line, table
from upscaled.cli.screens.quantities import duration

_QUEUE = (
    Column("id", right=True),
    Column("rule", optional=1),
    Column("state"),
    Column("file", flexible=True),
    Column("since", right=True, optional=2),
    Column("why it waits", flexible=True),
)
_FAILED = (
    Column("id", right=True),
    Column("rule", optional=1),
    Column("ago", right=True, optional=2),
    Column("file", flexible=True),
    Column("why it failed", flexible=True),
)


def queue_lines(report: dict[str, Any], width: int, now: float) -> list[Line]:
    if not report["jobs"]:
        return [line("nothing waits")]
    rows = [_queued(job, now) for job in report["jobs"]]
    return [*table(_QUEUE, rows, width), *_rest(report)]


def failed_lines(report: dict[str, Any], width: int, now: float) -> list[Line]:
    if not report["jobs"]:
        return [line("nothing has failed")]
    rows = [_failure(job, now) for job in report["jobs"]]
    hint = line(("→ more of one: upscaled show ID · again: upscaled retry ID", "dim"))
    return [*table(_FAILED, rows, width), *_rest(report), hint]


def _queued(job: dict[str, Any], now: float) -> Sequence[Span]:
    wait = job["not_before"] - now
    why = job["reason"] or ""
    if job["state"] == "waiting" and wait > 0:
        why = f"again in {duration(wait)}: {why}"
    return (
        (str(job["id"]), ""),
        (job["rule"], ""),
        (job["state"], "cyan" if job["state"] == "running" else ""),
        (Path(job["file"]).name, ""),
        (duration(now - job["queued_at"]), ""),
        (why if job["state"] == "waiting" else "", "dim"),
    )


def _failure(job: dict[str, Any], now: float) -> Sequence[Span]:
    return (
        (str(job["id"]), "red"),
        (job["rule"], ""),
        (duration(now - job["finished_at"]), ""),
        (Path(job["file"]).name, ""),
        (job["reason"] or "", ""),
    )


def _rest(report: dict[str, Any]) -> list[Line]:
    hidden = report["total"] - len(report["jobs"])
    return [line((f"and {hidden} more → --all", "dim"))] if hidden > 0 else []
