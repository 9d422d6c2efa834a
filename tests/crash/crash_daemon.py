"""The real daemon with a network that costs nothing, for tests that start it a hundred times."""

import contextlib
import os
import signal
import sqlite3
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from PIL import Image
from safetensors.numpy import save_file

from support.daemon_fixtures import UPSCALED, Daemon

HERE = Path(__file__).parent
FEATURES = 4
SCALE = 4
SETTLE_S = 0.1


def write_tiny_model(path: Path) -> Path:
    """A true checkpoint that spandrel knows: SRVGGNetCompact 4/1, ×4, with weights by chance."""
    rng = np.random.default_rng(0)

    def conv(before: int, after: int) -> Any:
        return (rng.standard_normal((after, before, 3, 3)) / (3 * before)).astype(np.float32)

    weights = {
        "body.0.weight": conv(3, FEATURES),
        "body.0.bias": np.zeros(FEATURES, np.float32),
        "body.1.weight": np.full(FEATURES, 0.1, np.float32),
        "body.2.weight": conv(FEATURES, FEATURES),
        "body.2.bias": np.zeros(FEATURES, np.float32),
        "body.3.weight": np.full(FEATURES, 0.1, np.float32),
        "body.4.weight": conv(FEATURES, 3 * SCALE**2),
        "body.4.bias": np.zeros(3 * SCALE**2, np.float32),
    }
    save_file(weights, path)
    return path


def write_image(path: Path, number: int, size_px: int = 16) -> Path:
    """As a browser does it: complete when it gets its name."""
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 256, (size_px, size_px, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    Image.fromarray(pixels).save(partial, format="PNG")
    return partial.rename(path)


class CheapDaemon(Daemon):
    """With the tiny model, and no torch at all but where `site` is None.

    `site` names a folder beside this file whose `sitecustomize` all its processes load.
    """

    def __init__(self, folder: Path, *, site: str | None = "twin", **options: Any) -> None:
        super().__init__(folder, folder, **options)
        self.model = write_tiny_model(folder / "tiny.safetensors")
        if site is not None:
            self.environ["PYTHONPATH"] = os.pathsep.join([str(HERE / site), str(HERE.parent)])

    def configure(self, rules: Any = None) -> None:
        own = {"watch": str(self.inbox), "output": str(self.outbox)}
        complete = {
            name: own | {"settle": SETTLE_S} | {**rule}
            for name, rule in (rules or {"photos": {}}).items()
        }
        component = {"type": "model", "task": "image-upscale", "model": str(self.model)}
        self.config = self.folder / "upscaled.yml"
        self.config.write_text(
            yaml.safe_dump({"components": {"tiny": component}, "rules": complete}),
            encoding="utf-8",
        )

    def kill_supervisor(self) -> None:
        self.send(signal.SIGKILL)
        self.wait_for_end()

    def show_log(self) -> None:
        """For tests that fail, which is when pytest shows what was printed."""
        print(self.log[-20_000:])  # noqa: T201

    def spawn(self) -> None:
        """As `start`, but without waiting until it answers."""
        with self.log_file.open("ab") as log:
            self.child = subprocess.Popen(
                [*self.prefix, UPSCALED, "up", "--config", str(self.config)],
                env=self.environ,
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )

    @property
    def worker(self) -> int | None:
        """Its process id, without asking the daemon, which may not answer yet."""
        assert self.child is not None
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.child.pid).children():
                if "upscaled.worker" in child.cmdline():
                    return child.pid
        return None

    def counts(self) -> Counter[str]:
        """Jobs by state; none before there is a database."""
        with (
            contextlib.suppress(sqlite3.OperationalError),
            contextlib.closing(
                sqlite3.connect(f"file:{self.dirs.store}?mode=ro", uri=True, timeout=5)
            ) as conn,
        ):
            return Counter(dict(conn.execute("SELECT state, count(*) FROM job GROUP BY state")))
        return Counter()
