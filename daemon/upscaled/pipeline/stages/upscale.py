"""The stage that a rule's recipe asks for: a picture to its final size."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from upscaled.codec import printable
from upscaled.errors import BadResult, ModelUnsupported
from upscaled.formats import STREAMED, check_size, fits
from upscaled.image.encode.animation import AnimationTarget
from upscaled.image.filters.alpha import bled, enlarged
from upscaled.image.filters.colour_fix import steady
from upscaled.image.filters.resize import shrink
from upscaled.image.filters.result_size import SizePlan, plan_size
from upscaled.image.picture import Picture
from upscaled.pipeline.protocols import Progress, Upscaler
from upscaled.recipe import OutputOptions, Recipe


@dataclass(frozen=True, slots=True)
class Upscaling:
    """The model, as often as the wanted size needs it, then made smaller. A `Stage`."""

    upscaler: Upscaler
    recipe: Recipe

    def __post_init__(self) -> None:
        """Raises: ModelUnsupported: the network is for faces alone."""
        if getattr(self.upscaler, "is_for_faces", False):
            raise ModelUnsupported(
                f"{self.recipe.model} restores faces, and does not upscale whole images",
                hint="use it in a component with `task: image-face-restore`",
            )

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(getattr(self.upscaler, "notes", ()))

    def plan(self, width_px: int, height_px: int) -> SizePlan:
        """What becomes of a picture of this size; asked before any work.

        Raises:
            ModelUnsupported, ImageTooLarge: as `plan_size` says.
        """
        return plan_size(
            width_px,
            height_px,
            model_scale=self.upscaler.scale,
            scale=self.recipe.scale,
            fit=self.recipe.fit,
            model=printable(self.recipe.model),
        )

    def __call__(
        self, picture: Picture, *, progress: Progress, cancelled: Callable[[], bool]
    ) -> Picture:
        plan = self.plan(picture.width_px, picture.height_px)
        for index in range(plan.passes):
            told = _share(progress, index, plan.passes, self.upscaler.scale)
            picture = enlarge(
                picture,
                self.upscaler,
                progress=told,
                cancelled=cancelled,
                colour_fix=self.recipe.output.colour_fix,
            )
        return shrink(picture, plan.width_px, plan.height_px)


def _share(progress: Progress, index: int, passes: int, scale: int) -> Progress:
    """Of one pass in all: each has scale² as many pixels as the one before."""
    if passes == 1:
        return progress
    costs = [scale ** (2 * number) for number in range(passes)]

    def told(done: int, total: int) -> None:
        progress(sum(costs[:index]) * total + costs[index] * done, sum(costs) * total)

    return told


@dataclass(frozen=True, slots=True)
class Fallback:
    format: str
    """A name in `STREAMED`."""
    width_px: int
    height_px: int
    notes: tuple[str, ...] = ()


def placed(
    options: OutputOptions, target: AnimationTarget, width_px: int, height_px: int
) -> Fallback:
    """For a result, or frames, of this size, before any work.

    TIFF, which alone holds pages of several sizes, takes any.

    Raises:
        ImageTooLarge: its format cannot hold it, and the options say `fail`.
    """
    name = target.format
    if fits(name, width_px, height_px):
        return Fallback(name, width_px, height_px)
    told = f"{width_px}×{height_px} px is more than {name} can hold"
    most_px = STREAMED[name].most_px
    if options.on_too_large == "png":
        return Fallback("png", width_px, height_px, (f"{told}: it was written as png",))
    if options.on_too_large == "downscale" and most_px is not None:
        share = most_px / max(width_px, height_px)
        size = (max(round(width_px * share), 1), max(round(height_px * share), 1))
        return Fallback(name, *size, (f"{told}: it was made smaller, to {size[0]}×{size[1]} px",))
    check_size(name, width_px, height_px)
    return Fallback(name, width_px, height_px)


def enlarge(
    picture: Picture,
    upscaler: Upscaler,
    *,
    progress: Progress,
    cancelled: Callable[[], bool],
    colour_fix: bool = True,
) -> Picture:
    """`picture`, larger by the scale of `upscaler`; one frame, whatever it came from.

    Raises:
        Interrupted, OutOfMemory, DeviceLost, BadResult: as `Upscaler.upscale` says.
    """
    scale = upscaler.scale
    source = picture.colour if picture.alpha is None else bled(picture.colour, picture.alpha)
    colour = upscaler.upscale(source, progress=progress, cancelled=cancelled)
    expected = (picture.height_px * scale, picture.width_px * scale, 3)
    if colour.shape != expected or colour.dtype != picture.colour.dtype:
        raise BadResult(f"the network gave {colour.shape} {colour.dtype}, not {expected}")
    if picture.gray:
        # Three equal channels went in; what comes out may differ by a tint that is not there.
        mean = np.rint(colour.mean(axis=2, dtype=np.float32)).astype(colour.dtype)
        colour = np.repeat(mean[..., None], 3, axis=2)
    if colour_fix:
        steady(source, colour)
    alpha = None if picture.alpha is None else enlarged(picture.alpha, expected[1], expected[0])
    if alpha is not None:
        # What a network paints where nothing is seen, at the image's border above all.
        colour = bled(colour, alpha)
    return replace(picture, colour=colour, alpha=alpha)
