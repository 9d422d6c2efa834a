"""What only the running daemon knows, for `status`: plain JSON, keys are only ever added. Pure."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import upscaled
from upscaled.codec import printable
from upscaled.config.settings import RuleSettings
from upscaled.service.status.problem import Problem, ProblemCode
from upscaled.service.status.snapshot import Snapshot, WorkerView
from upscaled.service.workers.in_flight import InFlight
from upscaled.watch.spec import InboxView


def live_status(snapshot: Snapshot) -> dict[str, Any]:
    opening = {"opening": True} if snapshot.is_opening else {}
    return opening | {
        "pid": os.getpid(),
        "version": upscaled.__version__,
        "uptime_s": round(snapshot.now - snapshot.started_at, 1),
        "store": os.fspath(snapshot.store),
        "config_files": [printable(str(path)) for path in snapshot.settings.source_files],
        "notices": [str(notice.message) for notice in snapshot.settings.notices],
        "workers": [_worker(worker) for worker in snapshot.workers],
        "rules": [] if snapshot.is_opening else _rules(snapshot),
        "flights": [_flight(job, snapshot.monotonic) for job in snapshot.in_flight],
        "problems": [problem.as_json() for problem in problems(snapshot)],
    }


def _rules(snapshot: Snapshot) -> list[dict[str, Any]]:
    return [_rule(rule, snapshot.inboxes) for rule in snapshot.settings.rules]


def _worker(worker: WorkerView) -> dict[str, Any]:
    report = worker.report
    return {
        "device": worker.device,
        "pid": worker.pid,
        "restart_in_s": worker.restart_in_s,
        "memory_bytes": report.beat and report.beat.memory_bytes,
        "free_bytes": report.beat and report.beat.free_bytes,
        "tile_px": report.beat and report.beat.tile_px,
        "compilation": report.beat and report.beat.compilation,
        "resident": report.resident and asdict(report.resident),
        "fetching": report.fetching and asdict(report.fetching),
    }


def _rule(rule: RuleSettings, views: Sequence[InboxView]) -> dict[str, Any]:
    return {
        "name": rule.name,
        "enabled": rule.enabled,
        "model": rule.recipe.model or "none",
        "output": printable(str(rule.delivery.folder)),
        "inboxes": [
            {
                "folder": printable(str(view.root)),
                "watched_by": view.watched_by,
                "reason": view.reason,
                "files": view.files,
                "settling": view.settling,
            }
            for view in views
            if view.root in rule.roots
        ],
    }


def _flight(flight: InFlight, now: float) -> dict[str, Any]:
    share = flight.done / flight.total if flight.total else 0.0
    upscaling_s = now - flight.stage_since if flight.stage == "upscale" else 0.0
    told = 0 < share <= 1 and upscaling_s > 0
    px = flight.result_px
    rate_mp_s = round(px * share / upscaling_s / 1e6, 4) if told and px else None
    return {
        "id": flight.order.job_id,
        "rule": flight.order.rule,
        "file": printable(str(flight.order.source)),
        "attempt": flight.order.attempt,
        "stage": flight.stage,
        "done": flight.done,
        "total": flight.total,
        "seconds": round(now - flight.since, 1),
        "rate_mp_s": rate_mp_s,
        "eta_s": round(upscaling_s * (1 - share) / share, 1) if told else None,
    }


def problems(snapshot: Snapshot) -> Iterator[Problem]:
    if snapshot.reload_error is not None:
        first = snapshot.reload_error.splitlines()[0]
        yield Problem(
            ProblemCode.CONFIG_REFUSED,
            f"the changed configuration is refused, the old one stays: {first}",
            "upscaled config check",
        )
    if (trouble := snapshot.store_trouble) is not None:
        what = f"everything waits: {trouble.message}"
        yield Problem(ProblemCode.STORE_WAITING, what, trouble.hint)
    for worker in snapshot.workers:
        yield from _of_worker(worker, snapshot.settings.rules)
    for source in snapshot.source_troubles:
        hint = "check the permissions, and the disk: ls -l"
        yield Problem(ProblemCode.SOURCE_STUCK, source, hint)
    for hook in snapshot.hook_troubles:
        hint = "try its command by hand; what it said: upscaled logs"
        yield Problem(ProblemCode.HOOK_FAILED, hook, hint)
    for view in snapshot.inboxes:
        if view.reason is not None and not view.is_well:
            yield Problem(
                _inbox_code(view),
                f"inbox {view.root}: {view.reason}",
                "it is looked for by itself; to look now: upscaled scan",
            )


def _inbox_code(view: InboxView) -> ProblemCode:
    if view.is_held:
        return ProblemCode.INBOX_SILENT
    is_missing = view.watched_by == "missing"
    return ProblemCode.INBOX_MISSING if is_missing else ProblemCode.INBOX_UNWATCHED


def _of_worker(worker: WorkerView, rules: Sequence[RuleSettings]) -> Iterator[Problem]:
    for model, unusable in worker.report.unusable.items():
        yield Problem(
            ProblemCode.MODEL_UNUSABLE,
            f"model {model} cannot be used: {unusable.reason}",
            unusable.hint,
            subject=model,
            rules=tuple(rule.name for rule in rules if model in rule.recipe.models),
        )
    if worker.restart_in_s is not None and worker.last_death is not None:
        yield Problem(
            ProblemCode.WORKER_RESTARTING,
            f"the worker {worker.last_death}; it is started again",
            "journalctl --user -u upscaled",
            subject=worker.device,
        )
