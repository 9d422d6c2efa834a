"""What only the running daemon knows, for `status`: plain JSON, keys are only ever added."""

import os
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import upscaled
from upscaled.codec import printable
from upscaled.service.status.report import UNUSABLE
from upscaled.watch.spec import InboxView

if TYPE_CHECKING:
    from upscaled.config.settings import RuleSettings
    from upscaled.service.daemon import Daemon
    from upscaled.service.workers.slot import InFlight, WorkerSlot


def live_status(supervisor: "Daemon") -> dict[str, Any]:
    now = supervisor.clock.monotonic()
    views = supervisor.inboxes.views()
    return {
        "pid": os.getpid(),
        "version": upscaled.__version__,
        "uptime_s": round(supervisor.clock.now() - supervisor.started_at, 1),
        "store": os.fspath(supervisor.dirs.store),
        "config_files": [printable(str(path)) for path in supervisor.settings.source_files],
        "notices": [str(notice.message) for notice in supervisor.settings.notices],
        "workers": [_worker(seat) for seat in supervisor.dispatcher.seats],
        "rules": [_rule(rule, views) for rule in supervisor.settings.rules],
        "flights": [_flight(flight, now) for flight in supervisor.dispatcher.flights],
        "problems": list(_problems(supervisor, views)),
    }


def _worker(seat: "WorkerSlot") -> dict[str, Any]:
    state = seat.state
    return {
        "device": seat.device,
        "pid": seat.worker and seat.worker.pid,
        "restart_in_s": seat.restart_in_s,
        "memory_bytes": state.beat and state.beat.memory_bytes,
        "free_bytes": state.beat and state.beat.free_bytes,
        "tile_px": state.beat and state.beat.tile_px,
        "compilation": state.beat and state.beat.compilation,
        "resident": state.resident and asdict(state.resident),
        "fetching": state.fetching and asdict(state.fetching),
    }


def _rule(rule: "RuleSettings", views: list[InboxView]) -> dict[str, Any]:
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


def _flight(flight: "InFlight", now: float) -> dict[str, Any]:
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


def _problems(supervisor: "Daemon", views: list[InboxView]) -> Iterator[dict[str, str | None]]:
    if supervisor.reload_error is not None:
        yield _problem(
            f"the changed configuration is refused, the old one stays: "
            f"{supervisor.reload_error.splitlines()[0]}",
            "upscaled config check",
        )
    if (trouble := supervisor.patience.trouble) is not None:
        yield _problem(f"everything waits: {trouble.message}", trouble.hint)
    for seat in supervisor.dispatcher.seats:
        for model, unusable in seat.state.unusable.items():
            yield _problem(f"model {model}{UNUSABLE}{unusable.reason}", unusable.hint)
        if seat.restart_in_s is not None and seat.last_death is not None:
            yield _problem(
                f"the worker {seat.last_death}; it is started again",
                "journalctl --user -u upscaled",
            )
    for trouble_of_sources in supervisor.sources.troubles:
        yield _problem(trouble_of_sources, "check the permissions, and the disk: ls -l")
    for failed in supervisor.herald.troubles:
        yield _problem(failed, "try its command by hand; what it said: upscaled logs")
    for view in views:
        if view.reason is not None and not view.is_well:
            hint = "it is looked for by itself; to look now: upscaled scan"
            yield _problem(f"inbox {view.root}: {view.reason}", hint)


def _problem(what: str, hint: str | None) -> dict[str, str | None]:
    return {"what": printable(what), "hint": hint and printable(hint)}
