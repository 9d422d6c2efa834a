"""`upscaled status`: problems first, then what runs, then a row for each rule. Pure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from upscaled.cli.screens.layout import (
    Column,
    Line,
    Span,
    TextBlock,
    clip,
    clip_end,
    crop,
    fit,
    indented,
    line,
    pad,
    table,
)
from upscaled.cli.screens.quantities import duration, rate, several, size

MOST_LINES = 20
_PROBLEMS, _RUNNING, _DELAYED, _RULES, _FAILED = 4, 4, 3, 8, 4
_GIVING_WAY = ((6, 0), (3, 0), (5, 2), (2, 3), (4, 4), (5, 1), (2, 1), (4, 1), (0, 1))
"""Which of the blocks below is shortened first, and down to how many of its rows."""
_BARS = {40: 0, 60: 8, 80: 14, 110: 24}
"""Cells of a bar, from a width of the screen on."""
_WORDY = 64
_LEAST_SHARE_TOLD = 0.02

_STATE_STYLE = {"active": "green", "paused": "yellow", "waiting": "red", "stopped": "dim"}
_STAGES = {
    "queued": "next in line",
    "decode": "decoding",
    "ready": "decoded, next on the device",
    "load": "loading the model",
    "encode": "encoding",
}

Report = dict[str, Any]


def status_lines(report: Report, width: int, now: float, *, everything: bool = False) -> list[Line]:
    """At most twenty lines, or all there is to say."""
    blocks = [
        _problems(report, width, _most(_PROBLEMS, everything)),
        TextBlock([[row] for row in _head(report, width)]),
        _running(report, width, _most(_RUNNING, everything)),
        _delayed(report, width, now, _most(_DELAYED, everything)),
        _rules(report, width, _most(_RULES, everything)),
        _failed(report, width, _most(_FAILED, everything)),
        _newest(report, width, now),
    ]
    lines = fit(blocks, _GIVING_WAY, None if everything else MOST_LINES)
    return [crop(row, width) for row in lines]


def _most(number: int, everything: bool) -> int | None:
    return None if everything else number


def _problems(report: Report, width: int, most: int | None) -> TextBlock:
    rows = 2 if most else 99
    groups = [
        [
            *indented([("! ", "red")], problem["what"], "", width, rows),
            *_hint(problem["hint"], width, rows),
        ]
        for problem in report["problems"][:most]
    ]
    return TextBlock(
        groups,
        hidden=len(report["problems"]) - len(groups),
        more="  and {} more → upscaled status --all",
    )


def _hint(hint: str | None, width: int, most: int = 2) -> list[Line]:
    return indented([("  → ", "dim")], hint, "dim", width, most) if hint else []


def _head(report: Report, width: int) -> list[Line]:
    daemon = report["daemon"]
    if not daemon["running"]:
        is_new = not report["rules"] and not report["problems"]
        ever = "; nothing was queued yet" if is_new and width >= _WORDY else ""
        return [line(("upscaled", "bold"), f" is not running{ever}", ("  → upscaled up", "dim"))]
    warning = report["sqlite"]["warning"]
    warnings = [line((clip_end(warning, width), "dim"))] if warning else []
    if not daemon["answers"]:
        return [line(("upscaled", "bold"), " is running but does not respond"), *warnings]
    words = [f" {daemon['version']}", f"running for {duration(daemon['uptime_s'] or 0)}"]
    words.append(f"pid {daemon['pid']}")
    if report["problems"]:
        words.append(several(len(report["problems"]), "problem"))
    waiting = sum(rule["waiting"] for rule in report["rules"])
    words += [f"{waiting} queued"] if waiting else []
    head = line(("upscaled", "bold"), clip_end(" · ".join(words), width - len("upscaled")))
    return [head, *(_worker(worker, width) for worker in report["workers"]), *warnings]


def _worker(worker: dict[str, Any], width: int) -> Line:
    device = worker.get("device") or "device"
    fetching, resident = worker.get("fetching"), worker.get("resident")
    if fetching:
        return line(clip_end(f"{device} · {_fetching(fetching)}", width))
    if resident is None:
        if worker.get("restart_in_s") is not None:
            state = f"starts again in {duration(worker['restart_in_s'])}"
        else:
            state = "loading the model" if worker.get("pid") else "idle, no model loaded"
        return line(clip_end(f"{device} · {state}", width))
    before = f"{resident['device']} {resident['precision']} · "
    after = "" if resident["exactness"] == "exact" else f" · {resident['exactness']} tiles"
    if worker.get("tile_px"):
        after += f" · tile {worker['tile_px']} px"
    if worker.get("compilation"):
        after += f" · {worker['compilation']}"
    if worker.get("memory_bytes"):
        after += f" · {size(worker['memory_bytes'])} used"
    if worker.get("free_bytes") is not None:
        after += f", {size(worker['free_bytes'])} free"
    model = clip(_short(resident["model"]), max(width - len(before) - len(after), 12))
    return line(clip_end(before + model + after, width))


def _fetching(fetching: dict[str, Any]) -> str:
    share = ""
    if fetching["total_bytes"]:
        share = f" {fetching['done_bytes'] / fetching['total_bytes']:.0%}"
    elif fetching["done_bytes"]:
        share = f" {size(fetching['done_bytes'])}"
    return f"fetching the model {_short(fetching['model'])} ({fetching['stage']}{share})"


def _short(model: str) -> str:
    return Path(model).name if "/" in model else model


def _running(report: Report, width: int, most: int | None) -> TextBlock:
    alive = report["daemon"]["running"]
    jobs = report["running"][:most]
    rows = [_flight(job, width) if alive else _cut_off(job, width) for job in jobs]
    return TextBlock(
        [[row] for row in rows],
        hidden=len(report["running"]) - len(rows),
        more="  and {} more",
    )


def _cut_off(job: dict[str, Any], width: int) -> Line:
    return _named(("▷ ", "yellow"), job, " · cut off; the next start takes it up again", width)


def _flight(job: dict[str, Any], width: int) -> Line:
    stage = job["stage"] or "queued"
    if stage != "upscale" or not job["total"]:
        word = _STAGES.get(stage, stage)
        return _named(("▶ ", "cyan"), job, f" · {word} · {duration(job['seconds'] or 0)}", width)
    share = min(job["done"] / job["total"], 1.0)
    bar = next(cells for least, cells in reversed(_BARS.items()) if width >= least)
    full = round(share * bar)
    tail = f" {share:4.0%}"
    tail += f" {rate(job['rate_mp_s']):>10}" if job.get("rate_mp_s") else " " * 11
    told = job.get("eta_s") is not None and share >= _LEAST_SHARE_TOLD
    tail += f" ETA {duration(job['eta_s']):<6}" if told else f" {duration(job['seconds'] or 0):<10}"
    room = width - 2 - bar - len(tail) - (1 if bar else 0)
    bars = (" ", ("━" * full, "green"), ("─" * (bar - full), "dim")) if bar else ()
    return line(("▶ ", "cyan"), pad(clip(_name(job), room), room), *bars, tail)


def _named(mark: Span, job: dict[str, Any], told: str, width: int) -> Line:
    """A name and what is told of it: the name gives way, down to a third of the line."""
    room = width - 2
    told = clip_end(told, room - min(len(_name(job)), room // 3))
    return line(mark, clip(_name(job), room - len(told)), told)


def _name(job: dict[str, Any]) -> str:
    return Path(job["file"]).name


def _delayed(report: Report, width: int, now: float, most: int | None) -> TextBlock:
    rows = []
    for job in report["delayed"][:most]:
        wait = job["not_before"] - now
        again = f"again in {duration(wait)}" if wait > 0 else "next in line"
        if not report["daemon"]["running"]:
            again = "at the next start"
        mark = ("… ", "yellow")
        rows.append(_with_reason(mark, job, f"{job['reason'] or ''} ({again})", width, most))
    hidden = len(report["delayed"]) - len(rows)
    return TextBlock(rows, hidden=hidden, more="  and {} more wait → upscaled queue")


def _with_reason(
    mark: Span, job: dict[str, Any], reason: str, width: int, most: int | None
) -> list[Line]:
    name = clip(_name(job), max(width // 3, 16) if most else 255)
    return indented([mark], f"{job['id']} {name}: {reason}", "", width, 1 if most else 99)


def _rules(report: Report, width: int, most: int | None) -> TextBlock:
    columns = (
        Column("rule", flexible=True),
        Column("state"),
        Column("queued", right=True),
        Column("running", right=True, optional=2),
        Column("done 24 h", right=True, optional=1),
        Column("failed", right=True),
        Column("watched by", optional=3),
    )
    rules = report["rules"][:most]
    rows = table(columns, [_rule(rule) for rule in rules], width)
    return TextBlock(
        [[row] for row in rows[1:]],
        hidden=len(report["rules"]) - len(rules),
        more="and {} more → upscaled status --all",
        head=rows[:1],
    )


def _rule(rule: dict[str, Any]) -> Sequence[Span]:
    watched = sorted({inbox["watched_by"] for inbox in rule["inboxes"]})
    return (
        (rule["name"], ""),
        (rule["state"], _STATE_STYLE.get(rule["state"], "yellow")),
        *((str(rule[key]), "") for key in ("waiting", "running", "done_day")),
        (str(rule["failed"]), "red" if rule["failed"] else ""),
        (", ".join(watched) or "-", ""),
    )


def _failed(report: Report, width: int, most: int | None) -> TextBlock:
    groups: list[list[Line]] = []
    for job in report["failed"][:most]:
        rows = _with_reason(("✗ ", "red"), job, job["reason"] or "", width, most)
        groups.append([*rows, *([] if most else _hint(job["hint"], width))])
    failed = max(sum(rule["failed"] for rule in report["rules"]), len(groups))
    hints = [line(("  → why: upscaled show ID · again: upscaled retry --all", "dim"))]
    return TextBlock(
        groups,
        hidden=failed - len(groups),
        more="  and {} more → upscaled failed",
        foot=[] if not groups else [line((clip_end(row[0][0], width), "dim")) for row in hints],
    )


def _newest(report: Report, width: int, now: float) -> TextBlock:
    if not report["recent"]:
        return TextBlock([])
    job = report["recent"][0]
    ago = duration(max(now - job["finished_at"], 0))
    told = f" {job['width_px']}×{job['height_px']} px, {ago} ago"
    name = clip(Path(job["output"]).name, width - 2 - len(told))
    return TextBlock([[line(("✓ ", "green"), name, told)]])
