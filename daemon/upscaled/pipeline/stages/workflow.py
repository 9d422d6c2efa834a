"""The stages of a workflow, on one picture: each gets what the ones before it gave.

Nothing is encoded in between. What no later stage takes is let go at once.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from upscaled.errors import (
    BadResult,
    DeviceLost,
    JobError,
    ModelUnsupported,
    StopRequested,
    UpscaledError,
)
from upscaled.image.filters.denoise import denoise
from upscaled.image.filters.face_finder import FaceFinder
from upscaled.image.filters.quality import Figures, measure
from upscaled.image.filters.resize import shrink
from upscaled.image.filters.result_size import SizePlan, fitted
from upscaled.image.filters.sharpen import sharpen
from upscaled.image.picture import Picture
from upscaled.pipeline.frame_spool import FrameSpool
from upscaled.pipeline.protocols import Progress, Upscaler
from upscaled.pipeline.stages.face_restoration import restore_faces
from upscaled.pipeline.stages.shell_command import run_command
from upscaled.pipeline.stages.upscale import Upscaling
from upscaled.recipe import (
    IMAGE_DENOISE,
    IMAGE_FACES,
    IMAGE_RESIZE,
    IMAGE_UPSCALE,
    Recipe,
    StageRecipe,
)

Open = Callable[[Recipe], Upscaler]
"""A recipe's network, loaded; may raise what `models` and the engine raise."""

_WEIGHTS = {IMAGE_UPSCALE: 20, IMAGE_DENOISE: 5, IMAGE_FACES: 5}
"""Of the work in all, as far as it can be guessed; others count 1."""


class PlannedStage(Protocol):
    """A stage that knows beforehand how large its result is."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of the networks."""
        ...

    def plan(self, width_px: int, height_px: int) -> SizePlan: ...

    def __call__(
        self, picture: Picture, *, progress: Progress, cancelled: Callable[[], bool]
    ) -> Picture: ...


@dataclass(slots=True)
class WorkflowOutputs:
    """What a workflow gives besides its result."""

    wanted: frozenset[str] = frozenset()
    """Stages whose pictures are results too."""
    pictures: dict[str, Picture] = field(default_factory=dict)
    """By stage, of those that are wanted; of the last frame that was worked on."""
    first: Picture | None = None
    """The result's first frame, where a sheet is to show it."""
    reels: dict[str, FrameSpool] = field(default_factory=dict)
    """By stage, where there are several frames."""
    figures: list[Figures] = field(default_factory=list)
    """Of each frame."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By stage, all frames together."""
    notes: dict[str, None] = field(default_factory=dict)
    """What stages have to say, each thing once."""
    current: str = ""
    """The stage that is at work; another thread may read it."""


@dataclass(frozen=True, slots=True)
class WorkflowStages:
    """A `Stage` made of stages; `side` is filled while frames go through."""

    recipe: Recipe
    networks: Mapping[str, Upscaler]
    """By stage; of those that have one."""
    side: WorkflowOutputs
    finders: Mapping[str, FaceFinder] = field(default_factory=dict)
    """By stage; of those that look for faces."""

    @property
    def notes(self) -> tuple[str, ...]:
        every = [getattr(network, "notes", ()) for network in self.networks.values()]
        return tuple(dict.fromkeys(note for notes in [*every, self.side.notes] for note in notes))

    def plan(self, width_px: int, height_px: int) -> SizePlan:
        """Raises: ModelUnsupported, ImageTooLarge: as `plan_size` says."""
        sizes = {"": (width_px, height_px)}
        passes = 0
        for stage in self.recipe.stages:
            size = sizes[stage.inputs[0]]
            if stage.task == IMAGE_UPSCALE:
                planned = self._upscaling(stage).plan(*size)
                size, passes = (planned.width_px, planned.height_px), passes + planned.passes
            elif stage.task == IMAGE_RESIZE:
                size = _resized_px(stage, *size)
            sizes[stage.name] = size
        width, height = sizes[self.recipe.result]
        return SizePlan(width, height, passes, max(width, height) / max(width_px, height_px))

    def __call__(
        self, picture: Picture, *, progress: Progress, cancelled: Callable[[], bool]
    ) -> Picture:
        pictures, stages = {"": picture}, self.recipe.stages
        weights = [_WEIGHTS.get(stage.task, 1) for stage in stages]
        for index, stage in enumerate(stages):
            self.side.current = stage.name
            started = time.monotonic()
            told = _share(progress, sum(weights[:index]), weights[index], sum(weights))
            inputs = [pictures[name] for name in stage.inputs]
            given = _named(stage, self._work, inputs, told, cancelled)
            spent = self.side.seconds.get(stage.name, 0.0) + time.monotonic() - started
            self.side.seconds[stage.name] = spent
            if isinstance(given, Figures):
                self.side.figures.append(given)
            else:
                pictures[stage.name] = given
                if stage.name in self.side.wanted:
                    self.side.pictures[stage.name] = given
            needed = {name for later in stages[index + 1 :] for name in later.inputs}
            for name in pictures.keys() - needed - {self.recipe.result}:
                del pictures[name]
        return pictures[self.recipe.result]

    def _upscaling(self, stage: StageRecipe) -> Upscaling:
        recipe = replace(self.recipe, model=stage.model or "", scale=stage.scale, fit=stage.fit)
        return Upscaling(self.networks[stage.name], recipe)

    def _work(  # noqa: PLR0911 (a table: a task, a return)
        self,
        stage: StageRecipe,
        inputs: list[Picture],
        progress: Progress,
        cancelled: Callable[[], bool],
    ) -> Picture | Figures:
        picture, told = inputs[0], dict(stage.numbers)
        match stage.task:
            case "image-upscale":
                return self._upscaling(stage)(picture, progress=progress, cancelled=cancelled)
            case "image-denoise" if stage.name in self.networks:
                clean = self._upscaling(stage)(picture, progress=progress, cancelled=cancelled)
                return _mixed(picture, clean, told["strength"])
            case "image-denoise":
                return denoise(
                    picture, strength=told["strength"], progress=progress, cancelled=cancelled
                )
            case "image-face-restore":
                result, notes = restore_faces(
                    picture,
                    self.networks[stage.name],
                    self.finders[stage.name],
                    strength=told["strength"],
                    colour_fix=self.recipe.output.colour_fix,
                    progress=progress,
                    cancelled=cancelled,
                )
                self.side.notes.update(dict.fromkeys(notes))
                return result
            case "image-sharpen":
                return sharpen(
                    picture,
                    radius_px=told["radius"],
                    amount=told["amount"],
                    threshold=told["threshold"],
                    progress=progress,
                    cancelled=cancelled,
                )
            case "image-resize":
                return shrink(picture, *_resized_px(stage, picture.width_px, picture.height_px))
            case "image-quality":
                return measure(picture, inputs[1])
            case "shell":
                return run_command(
                    picture, stage.command, timeout_s=told["timeout_s"], cancelled=cancelled
                )
        raise JobError(f"this version cannot do '{stage.task}'", hint="upgrade upscaled")


def open_flow(recipe: Recipe, side: WorkflowOutputs, opened: Open) -> WorkflowStages:
    """The stages of `recipe`, their networks loaded.

    Raises:
        ModelError, DeviceError: as `opened` does; or a network makes images larger, and is not to.
    """
    networks = {
        stage.name: opened(Recipe(stage.model, tile_px=stage.tile_px, precision=stage.precision))
        for stage in recipe.stages
        if stage.model
    }
    finders = {
        stage.name: FaceFinder(Path(stage.detector)) for stage in recipe.stages if stage.detector
    }
    for stage in recipe.stages:
        if stage.name in networks:
            _check_network(stage, networks[stage.name])
    return WorkflowStages(recipe, networks, side, finders)


def _check_network(stage: StageRecipe, network: Upscaler) -> None:
    """Raises: ModelUnsupported: it does something else than its stage."""
    if stage.task == IMAGE_DENOISE and network.scale != 1:
        raise ModelUnsupported(
            f"stage '{stage.name}': {stage.model} makes images larger",
            hint="a network for denoising has scale 1; leave `model` out for non-local means",
        )
    if stage.task == IMAGE_FACES and not getattr(network, "is_for_faces", False):
        raise ModelUnsupported(
            f"stage '{stage.name}': {stage.model} is not a network for faces",
            hint="name a GFPGAN or RestoreFormer file",
        )


def _named(
    stage: StageRecipe,
    work: Callable[..., Picture | Figures],
    inputs: list[Picture],
    progress: Progress,
    cancelled: Callable[[], bool],
) -> Picture | Figures:
    """What goes wrong is said with the name of the stage."""
    try:
        return work(stage, inputs, progress, cancelled)
    except (StopRequested, DeviceLost):
        raise
    except UpscaledError as error:
        raise type(error)(f"stage '{stage.name}': {error.message}", hint=error.hint) from error
    except Exception as error:
        error.add_note(f"in the stage '{stage.name}'")
        raise


def _resized_px(stage: StageRecipe, width_px: int, height_px: int) -> tuple[int, int]:
    if stage.fit:
        return fitted(width_px, height_px, stage.fit)
    scale = stage.scale or 1.0
    return max(round(width_px * scale), 1), max(round(height_px * scale), 1)


def _mixed(before: Picture, after: Picture, strength: float) -> Picture:
    if strength >= 1:
        return after
    if before.colour.shape != after.colour.shape:
        raise BadResult("the network changed the size of the image")
    source, clean = before.colour.astype("float32"), after.colour.astype("float32")
    mixed = (source + (clean - source) * strength).round().astype(before.colour.dtype)
    return replace(after, colour=mixed)


def _share(progress: Progress, before: int, own: int, all_in_all: int) -> Progress:
    def told(done: int, total: int) -> None:
        progress(before * total + own * done, all_in_all * total)

    return told
