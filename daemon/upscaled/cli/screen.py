"""What people read: at most twenty lines at eighty columns."""

import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from upscaled import log

_MOST_ROWS = 4
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_STYLE = {"active": "green", "paused": "yellow", "waiting": "red", "stopped": "dim"}


def show_status(report: dict[str, Any], *, most: int = 6) -> None:
    """`most`: rows of what failed, and of what waits after a trouble."""
    console = Console(highlight=False)
    for problem in report["problems"][:_MOST_ROWS]:
        console.print(f"[red]![/] {_text(problem['what'])}", soft_wrap=True)
        if problem["hint"]:
            console.print(f"  [dim]→ {_text(problem['hint'])}[/]", soft_wrap=True)
    console.print(_headline(report))
    _show_running(console, report)
    if report["rules"]:
        console.print(_rule_table(report["rules"]))
    _show_stuck(console, report, most)
    if not report["problems"] and report["daemon"]["running"]:
        _show_newest(console, report)


def _headline(report: dict[str, Any]) -> str:
    daemon = report["daemon"]
    if not daemon["running"]:
        return "[bold]upscaled[/] is not running  [dim]→ upscaled up[/]"
    line = f"[bold]upscaled[/] {daemon['version']} up {duration(daemon['uptime_s'])}"
    line += f" · pid {daemon['pid']}"
    return line + "".join(f" · {_worker(worker)}" for worker in report["workers"])


def _worker(worker: dict[str, Any]) -> str:
    if worker["fetching"]:
        return _fetching(worker["fetching"])
    resident = worker["resident"]
    if worker["pid"] is None or resident is None:
        return "starting" if worker["pid"] else "no model loaded"
    parts = f"{resident['device']} {resident['precision']} · {_text(_short(resident['model']))}"
    if resident["exactness"] != "exact":
        parts += f" · {resident['exactness']} tiles"
    return f"{parts} · {size(worker['memory_bytes'])}" if worker["memory_bytes"] else parts


def _fetching(fetching: dict[str, Any]) -> str:
    share = ""
    if fetching["total_bytes"]:
        share = f" {fetching['done_bytes'] / fetching['total_bytes']:.0%}"
    elif fetching["done_bytes"]:
        share = f" {size(fetching['done_bytes'])}"
    return f"fetching {_text(fetching['model'])} ({fetching['stage']}{share})"


def _show_running(console: Console, report: dict[str, Any]) -> None:
    if not report["daemon"]["running"]:
        for job in report["running"][:_MOST_ROWS]:
            name = _text(Path(job["file"]).name)
            console.print(f"[yellow]▷[/] {name} · cut off; the next start takes it up again")
        return
    for job in report["running"][:_MOST_ROWS]:
        share = job["done"] / job["total"] if job["total"] else 0.0
        bar = "━" * round(share * 20)
        name = _text(Path(job["file"]).name)
        stage = job["stage"] or "running"
        seconds = duration(job["seconds"] or 0)
        console.print(
            f"[cyan]▶[/] {name} · {stage} [green]{bar:<20}[/] {share:4.0%} · {seconds}",
            soft_wrap=True,
        )


def _rule_table(rules: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("rule")
    table.add_column("state")
    for column in ("queued", "running", "done 24 h", "failed"):
        table.add_column(column, justify="right")
    table.add_column("watched by")
    for rule in rules[:_MOST_ROWS]:
        watched = sorted({inbox["watched_by"] for inbox in rule["inboxes"]})
        table.add_row(
            _text(rule["name"]),
            f"[{_STYLE.get(rule['state'], 'yellow')}]{rule['state']}[/]",
            *(str(rule[key]) for key in ("waiting", "running", "done_day")),
            f"[red]{rule['failed']}[/]" if rule["failed"] else "0",
            ", ".join(watched),
        )
    return table


def _show_stuck(console: Console, report: dict[str, Any], most: int) -> None:
    for job in report["failed"][:most]:
        name, reason = _text(Path(job["file"]).name), _text(job["reason"] or "")
        console.print(f"[red]✗[/] {job['id']} {name}: {reason}", soft_wrap=True)
        if job["hint"]:
            console.print(f"  [dim]→ {_text(job['hint'])}[/]", soft_wrap=True)
    if report["failed"]:
        failed = sum(rule["failed"] for rule in report["rules"])
        if failed > most:
            console.print(f"  [dim]and {failed - most} more → upscaled status --all[/]")
        console.print("  [dim]→ try again: upscaled retry --all[/]")
    for job in report["delayed"][:most]:
        wait = max(job["not_before"] - time.time(), 0)
        again = f"again in {duration(wait)}" if wait else "next in line"
        if not report["daemon"]["running"]:
            again = "at the next start"
        console.print(
            f"[yellow]…[/] {job['id']} {_text(Path(job['file']).name)}: "
            f"{_text(job['reason'] or '')} ({again})",
            soft_wrap=True,
        )


def _show_newest(console: Console, report: dict[str, Any]) -> None:
    if report["recent"]:
        job = report["recent"][0]
        ago = duration(max(time.time() - job["finished_at"], 0))
        console.print(
            f"[green]✓[/] {_text(Path(job['output']).name)} "
            f"{job['width_px']}×{job['height_px']} px, {ago} ago",
            soft_wrap=True,
        )


def _short(model: str) -> str:
    return Path(model).name if "/" in model else model


def duration(seconds: float) -> str:
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    if seconds < _DAY_S:
        return f"{seconds / _HOUR_S:.1f} h"
    return f"{seconds / _DAY_S:.0f} d"


def size(number: float) -> str:
    for unit in ("B", "kB", "MB"):
        if number < 1000:  # noqa: PLR2004 (SI)
            return f"{number:.0f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def _text(value: str) -> str:
    """A file's name must neither colour the terminal nor be read as markup."""
    return escape(log.escape(value))
