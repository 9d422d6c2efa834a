"""A folder with a queue in it, runs of it under strace, and what must hold after all of them."""

import contextlib
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from upscaled import codec
from upscaled.delivery import Delivery

HERE = Path(__file__).parent
STILL_WAITING = 3
"""Exit code of a run that has jobs left, all of them for later."""
_TRACER_LIMIT_S = 60.0

headlines: list[str] = []
"""Printed at the end of the test run."""

Tree = Mapping[str, str]
"""SHA-256 of each regular file, by its path below a folder."""


def headline(text: str) -> None:
    headlines.append(text)


class Zygote:
    """`one_job.py`, which forks a run for each command."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, HERE / "one_job.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": str(HERE.parent), "PATH": os.environ["PATH"]},
        )

    def run(self, root: Path, *strace: str) -> int:
        """The exit code of one run; negative: the signal that killed it."""
        assert self._child.stdin is not None
        print(json.dumps({"root": str(root), "traced": bool(strace)}), file=self._child.stdin)
        self._child.stdin.flush()
        pid = self._hear("pid")
        if strace:
            _trace(pid, strace)
        return self._hear("status")

    def _hear(self, key: str) -> int:
        assert self._child.stdout is not None
        return int(json.loads(self._child.stdout.readline())[key])

    def end(self) -> None:
        self._child.communicate()


def _trace(pid: int, words: Sequence[str]) -> None:
    """Let the run go on, watched by strace, to its end."""
    _wait(lambda: _status(pid, "State").startswith("T"))
    with subprocess.Popen(
        ["strace", *words, "-p", str(pid)], stderr=subprocess.PIPE, text=True
    ) as tracer:
        # It is said once strace has a hold of it; the kernel's TracerPid is there a moment sooner.
        assert tracer.stderr is not None
        assert "attached" in tracer.stderr.readline()
        os.kill(pid, signal.SIGCONT)
        tracer.wait(_TRACER_LIMIT_S)


def _status(pid: int, key: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith(f"{key}:")).split(":")[1].strip()


def _wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + _TRACER_LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Stage:
    """One rule's folders, and its queue."""

    def __init__(self, root: Path, zygote: Zygote, delivery: Delivery | None = None) -> None:
        self.root = root
        self.zygote = zygote
        self.inbox, self.outbox = root / "photos", root / "out"
        self.delivery = delivery or Delivery(self.outbox)
        self.inbox.mkdir(parents=True)
        (root / "photos.rule").write_text(codec.dumps(self.delivery), encoding="utf-8")

    def drop(self, name: str, number: int = 0) -> Path:
        rng = np.random.default_rng(number)
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(path)
        return path

    def run(self, *strace: str) -> int:
        return self.zygote.run(self.root, *strace)

    def jobs(self) -> list[tuple[str, str, int]]:
        """(name, state, attempts) of each."""
        path = self.root / "state" / "upscaled.db"
        with contextlib.closing(sqlite3.connect(path)) as conn:
            assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert conn.execute("PRAGMA foreign_key_check").fetchall() == []
            rows = conn.execute("SELECT path, state, attempts FROM job ORDER BY id").fetchall()
        return [(Path(os.fsdecode(path)).name, state, attempts) for path, state, attempts in rows]

    @property
    def log(self) -> str:
        return (self.root / "log").read_text(encoding="utf-8")


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
