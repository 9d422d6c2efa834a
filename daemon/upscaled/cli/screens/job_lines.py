"""`upscaled show`: one job, what it took, and its history. Pure."""

import time
from collections.abc import Iterator
from typing import Any

from upscaled.cli.screens.layout import Line, Span, indented, line
from upscaled.cli.screens.quantities import duration, rate

_STATES: dict[str, Span] = {
    "waiting": ("…", "yellow"),
    "running": ("▶", "cyan"),
    "done": ("✓", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("x", "dim"),
}
_STAGE = "stage "
_PARTS = ("decode", "upscale", "encode", "publish")
"""In the order in which they come."""
_LABEL = 10


def job_lines(report: dict[str, Any], width: int, now: float) -> list[Line]:
    return [*_head(report, width, now), *_facts(report, width), *_history(report, width)]


def _head(report: dict[str, Any], width: int, now: float) -> list[Line]:
    state = report["state"]
    mark, style = _STATES.get(state, ("·", ""))
    words = [f"job {report['id']}", f"rule {report['rule']}", state + _when(report, now)]
    if report["attempts"] > 1:
        words.append(f"attempt {report['attempts']}")
    return indented([(f"{mark} ", style)], " · ".join(words), "bold", width, 3)


def _when(report: dict[str, Any], now: float) -> str:
    if report["finished_at"] is not None:
        return f" {duration(now - report['finished_at'])} ago"
    if report["state"] == "running" and report["claimed_at"] is not None:
        return f" for {duration(now - report['claimed_at'])}"
    wait = report["not_before"] - now
    return f", next try in {duration(wait)}" if wait > 0 else ""


def _facts(report: dict[str, Any], width: int) -> Iterator[Line]:
    yield from _fact("file", report["file"], width)
    if report["output"] is not None:
        yield from _fact("result", report["output"] + _result_size(report), width)
    if report["duplicate_of"] is not None:
        yield from _fact("same as", f"job {report['duplicate_of']}, by its content", width)
    if report["reason"] is not None:
        failed = report["state"] == "failed"
        yield from _fact("why", report["reason"], width, "red" if failed else "yellow")
    if report["hint"] is not None:
        yield from _fact("", f"→ {report['hint']}", width, "dim")
    if report["state"] == "failed":
        yield from _fact("", f"→ again: upscaled retry {report['id']}", width, "dim")
    for note in report["notes"]:
        yield from _fact("note", note, width)
    if report["timings"]:
        yield from _fact("took", _timings(report), width)
    if report["figures"]:
        told = " · ".join(f"{name} {figure:g}" for name, figure in report["figures"].items())
        yield from _fact("quality", told, width)


def _fact(label: str, text: str, width: int, style: str = "") -> list[Line]:
    return indented([(f"  {label:<{_LABEL - 2}}", "dim")], text, style, width, 99)


def _result_size(report: dict[str, Any]) -> str:
    if not (report["width_px"] and report["height_px"]):
        return ""
    return f" ({report['width_px']}×{report['height_px']} px)"


def _timings(report: dict[str, Any]) -> str:
    told: dict[str, float] = {
        name.removesuffix("_s"): seconds for name, seconds in report["timings"].items()
    }
    # Stages of a workflow are what upscaling is made of: they are told, and not added once more.
    stages = [name for name in told if name.startswith(_STAGE)]
    names = [name for name in _PARTS if name in told]
    names += [name for name in told if name not in (*_PARTS, *stages)]
    all_s = sum(told[name] for name in names)
    names += stages
    parts = [f"{name} {_precisely(told[name])}" for name in names]
    upscale_s = told.get("upscale", 0)
    if upscale_s > 0 and report["width_px"] and report["height_px"]:
        pixels = report["width_px"] * report["height_px"]
        parts[names.index("upscale")] += f" ({rate(pixels / upscale_s / 1e6)})"
    return f"{_precisely(all_s)}: {' · '.join(parts)}"


def _precisely(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 60 else duration(seconds)  # noqa: PLR2004 (a minute)


def _history(report: dict[str, Any], width: int) -> Iterator[Line]:
    """A line an event; the day stands where it changes."""
    entries = [{"at": report["queued_at"], "event": "queued", "detail": None}, *report["history"]]
    yield line(("history", "dim"))
    day = ""
    # A job that was queued again by hand has waited since then, and has a past before it.
    for entry in sorted(entries, key=lambda entry: entry["at"]):
        at = time.localtime(entry["at"])
        today = time.strftime("%Y-%m-%d", at)
        if today != day:
            yield line((f"  {today}", "dim"))
            day = today
        detail = f": {entry['detail']}" if entry["detail"] else ""
        first = [(f"  {time.strftime('%H:%M:%S', at)}  ", "dim")]
        yield from indented(first, f"{entry['event']}{detail}", "", width, 99)
