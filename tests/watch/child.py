"""An inbox in a process of its own: `child.py ROOT SPEC_JSON`, then one command a line.

Answers are one JSON value a line. Run it under `unshare` and its limits are its own.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

from upscaled.clock import SystemClock
from upscaled.filesystem.mounts import Mount, read_mounts
from upscaled.watch import survey
from upscaled.watch.inbox import ArrivalBatch, Inbox, InboxSpec

LIMITS = Path("/proc/sys/user")

root = Path(sys.argv[1])
names: list[str] = []
oddities: dict[str, str] = {}


def deliver(batch: ArrivalBatch) -> None:
    for arrival in batch.arrivals:
        name = str(arrival.path.relative_to(root))
        names.append(name)
        if arrival.reject_reason:
            oddities[name] = arrival.reject_reason


def claim_mount(kind: str) -> None:
    """Take each tmpfs below the root for a file system of this kind."""

    def claimed() -> tuple[Mount, ...]:
        below = os.fsencode(root)
        return tuple(
            Mount(mount.point, kind if mount.point.startswith(below) else mount.kind)
            for mount in read_mounts()
        )

    survey.read_mounts = claimed  # type: ignore[attr-defined]


def look(command: str) -> object:
    view = inbox.view()
    return {
        "names": sorted(names),
        "count": len(names),
        "oddities": oddities,
        "well": view.is_well,
        "view": [view.watched_by, view.reason, view.first_scan_done, view.files],
    }.get(command)


def answer(command: str, argument: str) -> object:
    if command == "shell":
        return subprocess.run(argument, shell=True, check=False, cwd=root.parent).returncode  # noqa: S602
    if command == "limit":
        name, value = argument.split("=")
        (LIMITS / name).write_text(value)
    if command == "files":
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(argument), hard))
    if command == "mounts":
        claim_mount(argument)
    if command == "start":
        inbox.start()
    if command == "rescan":
        inbox.rescan()
    return look(command)


inbox = Inbox(InboxSpec(root, **json.loads(sys.argv[2])), deliver, SystemClock())
for line in sys.stdin:
    word, _, rest = line.strip().partition(" ")
    sys.stdout.write(json.dumps(answer(word, rest)) + "\n")
    sys.stdout.flush()
inbox.stop()
