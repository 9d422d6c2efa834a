"""The stage that a rule's recipe asks for: a picture to its final size."""

from collections.abc import Callable
from dataclasses import dataclass

from upscaled.codec import printable
from upscaled.errors import ModelUnsupported
from upscaled.image.filters.resize import shrink
from upscaled.image.filters.result_size import SizePlan, plan_size
from upscaled.image.picture import Picture
from upscaled.pipeline.protocols import Progress, Upscaler
from upscaled.pipeline.stages.enlarge import enlarge
from upscaled.recipe import Recipe


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
