"""A job on real files with a network that only repeats pixels."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fakes import NearestUpscaler
from made import order
from upscaled.job import Done, Footing, Order, Result, Traits, Twin
from upscaled.pipeline import run


@dataclass
class ListLedger:
    """A `Ledger` that remembers what it was told."""

    twin: Twin | None = None
    refusal: str | None = None
    told: list[tuple[Any, ...]] = field(default_factory=list)
    found_footings: dict[Path, Footing] = field(default_factory=dict)

    def describe(self, job_id: int, traits: Traits) -> str | None:
        self.told.append(("describe", job_id, traits))
        return self.refusal

    def identify(self, job_id: int, content_sha256: str) -> Twin | None:
        self.told.append(("identify", job_id, content_sha256))
        return self.twin

    def announce(self, job_id: int, result: Result) -> None:
        self.told.append(("announce", job_id, result))

    def found(self, folder: Path, footing: Footing) -> None:
        self.found_footings[folder] = footing


class Job:
    def __init__(self, inbox: Path, outbox: Path) -> None:
        self.inbox, self.outbox = inbox, outbox
        self.ledger = ListLedger()
        self.upscaler = NearestUpscaler(2)

    def drop(self, pixels: Any, name: str = "a.png", **options: Any) -> Path:
        path = self.inbox / name
        image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
        image.save(path, **options)
        return path

    def order(self, source: Path, **fields: Any) -> Order:
        return order(source, self.outbox, **fields)

    def run(self, order: Order, between: Callable[[], Any] = lambda: None) -> Done:
        """The whole job; `between` happens after the source was read."""
        prepared = run.prepare(order, self.ledger, mark="mark")
        if isinstance(prepared, Done):
            return prepared
        upscaled = run.upscale(
            prepared, self.upscaler, progress=lambda *_: None, cancelled=lambda: False
        )
        between()
        return run.deliver(upscaled, self.ledger, mark="mark")

    def left(self) -> list[str]:
        """Every file below the output folder."""
        return sorted(str(p.relative_to(self.outbox)) for p in self.outbox.rglob("*"))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "outbox").mkdir()
    return Job(tmp_path / "inbox", tmp_path / "outbox")
