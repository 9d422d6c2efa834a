"""Whether a result is good enough, by its rule: pure, but for the measuring stage."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from upscaled.delivery import Check
from upscaled.image.filters.quality import Figures, measure
from upscaled.image.filters.result_size import SizePlan
from upscaled.image.picture import Picture
from upscaled.pipeline.protocols import Progress
from upscaled.pipeline.stages.workflow import PlannedStage, WorkflowOutputs


@dataclass(frozen=True, slots=True)
class Checked:
    """A stage, and the figures of each frame that it gives."""

    stage: PlannedStage
    side: WorkflowOutputs

    @property
    def notes(self) -> tuple[str, ...]:
        return self.stage.notes

    def plan(self, width_px: int, height_px: int) -> SizePlan:
        return self.stage.plan(width_px, height_px)

    def __call__(
        self, picture: Picture, *, progress: Progress, cancelled: Callable[[], bool]
    ) -> Picture:
        result = self.stage(picture, progress=progress, cancelled=cancelled)
        self.side.figures.append(measure(picture, result))
        return result


def worst(figures: Sequence[Figures]) -> dict[str, float]:
    """Of all frames, by name; empty where nothing was measured."""
    if not figures:
        return {}
    tables = [each.table() for each in figures]
    lower = {"psnr_db", "ssim", "sharpness_gain"}
    return {
        name: (min if name in lower else max)(table[name] for table in tables) for name in tables[0]
    }


def complaints(figures: dict[str, float], check: Check) -> Iterator[str]:
    """What is not as the rule wants it, in words."""
    if not figures:
        return
    if figures["constant"]:
        yield "the result is one single colour"
    for name, limit, unit in (
        ("psnr_db", check.min_psnr_db, " dB"),
        ("ssim", check.min_ssim, ""),
    ):
        if limit is not None and figures[name] < limit:
            yield f"{name.removesuffix('_db')} {figures[name]:g}{unit} is less than {limit:g}{unit}"
    drift, most = figures["colour_drift"], check.max_colour_drift
    if most is not None and drift > most:
        yield f"colours drift by {drift:g} levels, more than {most:g}"


def sidecar(source: str, result: str, figures: dict[str, float], found: Sequence[str]) -> bytes:
    """The same bytes for the same job each time: a repeated job finds its own file."""
    written = {
        "schema_version": 1,
        "source": source,
        "result": result,
        "figures": figures,
        "complaints": list(found),
    }
    text = json.dumps(written, indent=2, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace")
