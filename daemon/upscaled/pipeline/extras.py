"""What a rule wants besides the result: other stages' pictures, figures, before and after.

It is written before the result: a job that is repeated after a crash makes the same bytes, and
finds its own files by them.
"""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from upscaled.delivery import Check, Delivery
from upscaled.errors import BadResult
from upscaled.image.filters.contact_sheet import html_sheet, png_sheet
from upscaled.image.picture import Picture
from upscaled.job import Order
from upscaled.output.naming import numbered
from upscaled.output.publish import publish, sha256_of
from upscaled.pipeline.quality_check import complaints, sidecar, worst
from upscaled.pipeline.stages.workflow import WorkflowOutputs


@dataclass(frozen=True, slots=True)
class QualityVerdict:
    """Of the quality check of a rule, or of a stage; empty where nothing was measured."""

    figures: dict[str, float]
    found: tuple[str, ...] = ()
    """What is not as the rule wants it."""
    review: bool = False
    notes: tuple[str, ...] = ()


def judged(side: WorkflowOutputs, check: Check | None) -> QualityVerdict:
    """Raises: BadResult: it is not good enough, and the rule says `fail`."""
    figures = worst(side.figures)
    if check is None:
        return QualityVerdict(figures)
    found = tuple(complaints(figures, check))
    if found and check.on_low_quality == "fail":
        raise BadResult(
            f"not good enough: {'; '.join(found)}",
            hint="look at `quality_check` of the rule; `on_low_quality: warn` lets it pass",
        )
    review = bool(found) and check.on_low_quality == "review"
    said = found if check.on_low_quality != "accept" else ()
    return QualityVerdict(figures, found, review, tuple(f"low quality: {words}" for words in said))


def redirected(order: Order, verdict: QualityVerdict) -> Order:
    """Where the result goes: what is to be looked at lies apart."""
    check = order.delivery.check
    if not verdict.review or check is None or check.review_folder is None:
        return order
    delivery = replace(order.delivery, folder=check.review_folder, require_mount=None)
    return replace(order, delivery=delivery, output_mount=None)


def first_free(delivery: Delivery, folder: Path, names: Iterator[str], digest: str) -> str:
    """The name that the result will get, unless another file comes first."""
    for name in names:
        path = folder / name
        taken = os.path.lexists(path) and sha256_of(path) != digest
        if not taken or delivery.collision != "number":
            return name
    raise AssertionError  # names never end


@dataclass(frozen=True, slots=True)
class Beside:
    """Files that share the result's name but for what comes after its stem."""

    order: Order
    name: str
    mark: str
    mode: int = 0o666
    """As `pipeline.source.Source` says: a sheet shows the picture."""

    def write(self, content: bytes, suffix: str) -> None:
        """Raises: OSError: it could not be written; nothing is left behind."""
        publish(
            content,
            self.order.delivery.folder / self.order.relative,
            (numbered(f"{Path(self.name).stem}{suffix}", n) for n in itertools.count(1)),
            mark=self.mark,
            # Never over a file of somebody else, unless the rule wants just that.
            collision="replace" if self.order.delivery.collision == "replace" else "number",
            announce=lambda _path, _digest: None,
            mode=self.mode,
        )

    def figures(self, verdict: QualityVerdict) -> None:
        source = os.fsencode(self.order.source.name).decode("utf-8", "backslashreplace")
        self.write(sidecar(source, self.name, verdict.figures, verdict.found), ".json")

    def sheet(self, kind: str, before: Picture, after: Picture, verdict: QualityVerdict) -> None:
        if kind == "png":
            self.write(png_sheet(before, after), ".compare.png")
        else:
            self.write(html_sheet(before, after, self.name, verdict.figures), ".compare.html")
