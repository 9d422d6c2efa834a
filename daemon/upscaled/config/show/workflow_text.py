"""Workflows of settings as blocks of a configuration: one for each rule, sizes put in."""

from dataclasses import asdict
from typing import Any

from upscaled.delivery import Check, Extra
from upscaled.recipe import (
    IMAGE_DENOISE,
    IMAGE_FACES,
    IMAGE_QUALITY,
    IMAGE_UPSCALE,
    SHELL,
    Fit,
    Recipe,
    StageRecipe,
)

_NUMBERS = {"timeout_s": "timeout"}
_SLOTS = {IMAGE_QUALITY: ("original", "enhanced")}


def workflow(rule: str, recipe: Recipe) -> dict[str, Any]:
    return {
        "jobs": {
            stage.name: {"component": component_name(rule, stage), "input": _input(stage)}
            for stage in recipe.stages
        },
        "output": _reference(recipe.result),
    }


def components(rule: str, recipe: Recipe) -> dict[str, dict[str, Any]]:
    return {component_name(rule, stage): _component(stage) for stage in recipe.stages}


def component_name(rule: str, stage: StageRecipe) -> str:
    return f"{rule}.{stage.name}"


def outputs(extras: tuple[Extra, ...]) -> dict[str, Any]:
    return {
        extra.stage: {
            "folder": str(extra.folder),
            "name": extra.name,
            "format": extra.format,
            "quality": extra.quality,
        }
        for extra in extras
    }


def check(wish: Check | None) -> dict[str, Any] | None:
    if wish is None:
        return None
    policy, folder = wish.on_low_quality, wish.review_folder
    return {
        "min_psnr": wish.min_psnr_db,
        "min_ssim": wish.min_ssim,
        "max_colour_drift": wish.max_colour_drift,
        "on_low_quality": policy if folder is None else {policy: str(folder)},
        "sidecar": wish.sidecar,
        "contact_sheet": wish.sheet,
    }


def size(scale: float | None, fit: Fit | None) -> dict[str, Any]:
    if fit is None:
        return {"scale": scale}
    return {key.removesuffix("_px"): value for key, value in asdict(fit).items()}


def escaped(words: tuple[str, ...]) -> list[str]:
    """A dollar sign is written twice, or it would begin a variable."""
    return [word.replace("$", "$$") for word in words]


def _input(stage: StageRecipe) -> dict[str, str]:
    slots = _SLOTS.get(stage.task, ("image",))
    return {slot: _reference(name) for slot, name in zip(slots, stage.inputs, strict=True)}


def _reference(stage: str) -> str:
    return f"${{jobs.{stage}.output}}" if stage else "${input.image}"


def _component(stage: StageRecipe) -> dict[str, Any]:
    shown: dict[str, Any] = {"task": stage.task}
    if stage.model is not None:
        tile = stage.tile_px or "auto"
        shown |= {"model": stage.model, "precision": stage.precision}
        shown |= {"tile_size": tile} if stage.task in {IMAGE_DENOISE, IMAGE_FACES} else {}
        if stage.task == IMAGE_UPSCALE:
            shown |= {"params": {"tile_size": tile}, "output": size(stage.scale, stage.fit)}
    elif stage.scale is not None or stage.fit is not None:
        shown |= size(stage.scale, stage.fit)
    if stage.detector is not None:
        shown["detector"] = stage.detector
    if stage.task == SHELL:
        shown["command"] = escaped(stage.command)
    return shown | {_NUMBERS.get(name, name): number for name, number in stage.numbers}
