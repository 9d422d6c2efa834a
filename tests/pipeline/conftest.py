"""A job on real files with a network that only repeats pixels."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from support.builders import order
from support.fakes import NearestUpscaler
from upscaled.job import ImageInfo, MountIdentity, Order
from upscaled.outcomes import Done, Duplicate, Result
from upscaled.pipeline import run
from upscaled.pipeline.handoff import Prepared, Upscaled
from upscaled.pipeline.protocols import Progress


@dataclass
class ListLedger:
    """A `Ledger` that remembers what it was told."""

    twin: Duplicate | None = None
    refusal: str | None = None
    told: list[tuple[Any, ...]] = field(default_factory=list)
    found_mounts: dict[Path, MountIdentity] = field(default_factory=dict)

    def describe(self, job_id: int, image_info: ImageInfo) -> str | None:
        self.told.append(("describe", job_id, image_info))
        return self.refusal

    def identify(self, job_id: int, content_sha256: str) -> Duplicate | None:
        self.told.append(("identify", job_id, content_sha256))
        return self.twin

    def announce(self, job_id: int, result: Result) -> None:
        self.told.append(("announce", job_id, result))

    def found(self, folder: Path, mount_identity: MountIdentity) -> None:
        self.found_mounts[folder] = mount_identity


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
        upscaled = self.upscale(prepared)
        between()
        return run.deliver(upscaled, self.ledger, mark="mark")

    def upscale(
        self,
        prepared: Prepared,
        progress: Progress = lambda *_: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Upscaled:
        """The device's part, for a recipe of one network."""
        opened = run.open_stage(prepared.order, lambda _: self.upscaler)
        return run.work(prepared, opened, progress=progress, cancelled=cancelled)

    def left(self) -> list[str]:
        """Every file below the output folder."""
        return sorted(str(p.relative_to(self.outbox)) for p in self.outbox.rglob("*"))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "outbox").mkdir()
    return Job(tmp_path / "inbox", tmp_path / "outbox")
