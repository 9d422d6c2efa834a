"""Figures for the textfile collector of Prometheus' node-exporter: pure but for `write`.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/; names and units are described
in `docs/monitoring.md`, and once given they stay.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upscaled.store.views import Overview

Row = tuple[dict[str, str], float]


@dataclass(frozen=True, slots=True)
class Ended:
    """What ended since the daemon was started."""

    images: Mapping[tuple[str, str], int]
    """By (rule, `done` or `failed`)."""
    output_px: int


class Tally:
    def __init__(self) -> None:
        self._images: Counter[tuple[str, str]] = Counter()
        self._output_px = 0

    def add(self, rule: str, result: str, output_px: int) -> None:
        self._images[rule, result] += 1
        self._output_px += output_px

    def ended(self) -> Ended:
        return Ended(dict(self._images), self._output_px)


def render(live: dict[str, Any], overview: Overview, ended: Ended, started_at: float) -> str:
    """`live`: what `live_status` gives."""
    families: list[tuple[str, str, str, Iterable[Row]]] = [
        ("info", "gauge", "Version of the daemon.", [({"version": live["version"]}, 1)]),
        ("start_time_seconds", "gauge", "When it was started.", [({}, started_at)]),
        ("jobs", "gauge", "Jobs in the database.", _jobs(overview)),
        (
            "images_total",
            "counter",
            "Images that ended since the start.",
            [({"rule": r, "result": how}, n) for (r, how), n in sorted(ended.images.items())],
        ),
        ("output_pixels_total", "counter", "Pixels written.", [({}, ended.output_px)]),
        (
            "paused",
            "gauge",
            "1 for each pause; the rule is empty where all is paused.",
            [({"rule": pause.rule, "cause": pause.cause}, 1) for pause in overview.pauses],
        ),
        ("problems", "gauge", "Problems that status shows.", [({}, len(live["problems"]))]),
        ("worker_up", "gauge", "Whether the worker of a device runs.", _workers(live, "pid")),
        (
            "worker_memory_bytes",
            "gauge",
            "Resident memory of the worker.",
            _workers(live, "memory_bytes"),
        ),
        ("inbox_files", "gauge", "Settled files in an inbox.", _inboxes(live, "files")),
        ("inbox_settling", "gauge", "Files that settle.", _inboxes(live, "settling")),
    ]
    return "".join(line for family in families for line in _family(*family))


def _family(name: str, kind: str, text: str, rows: Iterable[Row]) -> Iterator[str]:
    yield f"# HELP upscaled_{name} {text}\n"
    yield f"# TYPE upscaled_{name} {kind}\n"
    for labels, value in rows:
        written = ",".join(f'{label}="{_escape(word)}"' for label, word in labels.items())
        yield f"upscaled_{name}{'{' + written + '}' if written else ''} {value:.17g}\n"


def _escape(word: str) -> str:
    return word.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _jobs(overview: Overview) -> Iterator[Row]:
    for rule, counts in overview.rules.items():
        for state in ("waiting", "running", "done", "failed", "cancelled"):
            yield {"rule": rule, "state": state}, getattr(counts, state)


def _workers(live: dict[str, Any], key: str) -> Iterator[Row]:
    # One that retires may still be there beside the next one of its device: a series stands once.
    for device, worker in {worker["device"]: worker for worker in live["workers"]}.items():
        value = worker[key]
        yield {"device": device}, bool(value) if key == "pid" else value or 0


def _inboxes(live: dict[str, Any], key: str) -> Iterator[Row]:
    folders = {inbox["folder"]: inbox for rule in live["rules"] for inbox in rule["inboxes"]}
    for folder, inbox in folders.items():
        yield {"folder": folder, "watched_by": inbox["watched_by"]}, inbox[key]


def write(path: Path, text: str) -> None:
    """All of it or nothing: the collector may read at any moment.

    Raises:
        OSError: the folder is not there, or cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")
        partial.chmod(0o644)  # the collector is another user
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
