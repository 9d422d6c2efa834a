"""How large a result is, and how often the model has to be repeated for it: pure."""

import math
from dataclasses import dataclass

from upscaled.errors import ImageTooLarge, ModelUnsupported
from upscaled.recipe import Fit

_MOST_BETWEEN_PX = 500_000_000
"""Of a picture that goes through the model once more; as much as may come from a file."""


@dataclass(frozen=True, slots=True)
class SizePlan:
    """`passes` times through the model, then made smaller to exactly this size."""

    width_px: int
    height_px: int
    passes: int
    scale: float
    """Output pixels for each input pixel along an edge."""


def plan_size(
    width_px: int,
    height_px: int,
    *,
    model_scale: int,
    scale: float | None,
    fit: Fit | None,
    model: str = "the model",
) -> SizePlan:
    """For one picture; `scale` or `fit` or neither, as `Recipe` has them.

    A scale takes the model once at least (1 is how one cleans a picture); a size takes it as
    often as it takes to reach it, which is not at all for a picture that is larger already.
    `model`: what it is called in an error.

    Raises:
        ModelUnsupported: the model makes nothing larger, however often it is repeated.
        ImageTooLarge: it would have to go through the model again when it is very large.
    """
    if scale is None and fit is None:
        return SizePlan(width_px * model_scale, height_px * model_scale, 1, model_scale)
    if fit is None:
        factor = scale or 1.0
        target = _rounded(width_px * factor), _rounded(height_px * factor)
    else:
        target = fitted(width_px, height_px, fit)
        factor = max(target) / max(width_px, height_px)
    passes = 0 if scale is None else 1
    while width_px * model_scale**passes < target[0] or height_px * model_scale**passes < target[1]:
        if model_scale == 1:
            raise ModelUnsupported(
                f"{model} gives 1x: repeated, it makes nothing larger",
                hint="leave `scale` and sizes out, or choose another model",
            )
        passes += 1
    between_px = width_px * height_px * model_scale ** (2 * max(passes - 1, 0))
    if passes > 1 and between_px > _MOST_BETWEEN_PX:
        raise ImageTooLarge(
            f"{target[0]}×{target[1]} px take the model {passes} times, the last time at "
            f"{between_px // 1_000_000} MP",
            hint="ask for a smaller scale or size in the rule",
        )
    return SizePlan(*target, passes, factor)


def fitted(width_px: int, height_px: int, fit: Fit) -> tuple[int, int]:
    """Width and height of the result; the source's own where `only_if_smaller` spares it."""
    factor = _factor(width_px, height_px, fit)
    if fit.only_if_smaller and factor <= 1:
        return width_px, height_px
    return _rounded(width_px * factor), _rounded(height_px * factor)


def _factor(width_px: int, height_px: int, fit: Fit) -> float:
    if fit.long_edge_px is not None:
        return fit.long_edge_px / max(width_px, height_px)
    if fit.short_edge_px is not None:
        return fit.short_edge_px / min(width_px, height_px)
    if fit.megapixels is not None:
        return math.sqrt(fit.megapixels * 1e6 / (width_px * height_px))
    edges = ((fit.width_px, width_px), (fit.height_px, height_px))
    return min((wish / own for wish, own in edges if wish is not None), default=1.0)


def _rounded(size: float) -> int:
    return max(math.floor(size + 0.5), 1)
