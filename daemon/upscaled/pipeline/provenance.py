"""What a result says of its making, and how a rule knows its own results again."""

import hashlib
from dataclasses import replace
from pathlib import Path

from upscaled import __version__
from upscaled.errors import UnsupportedImage
from upscaled.image.metadata import exif
from upscaled.job import Order

_OWN_DIGITS = 16


def mark_of(order: Order, scale: float) -> str:
    """One line for the tag `ProcessingSoftware`: version, model, scale, and the rule's digest."""
    model = Path(order.recipe.model).name
    return f"upscaled {__version__}; {model}; {scale:g}x; {_digest(order)}"


def refuse_own(order: Order, block: bytes | None) -> None:
    """Stop a circle: a sync tool that brings results back into the inbox they came from.

    Files named on the command line (they have no fingerprint) are what somebody asked for.

    Raises:
        UnsupportedImage: this very rule made it, with the same recipe.
    """
    if block is None or order.fingerprint is None or not order.recipe.output.provenance:
        return
    if exif.software_of(block).endswith(f"; {_digest(order)}"):
        raise UnsupportedImage(
            f"it is a result of this very rule ({order.rule}), come back to its inbox",
            hint=f"to upscale it again all the same: upscaled run {order.source}",
        )


def _digest(order: Order) -> str:
    # By the name of a model file, not by its place: the same rule knows its results on another
    # machine, and after the file was moved.
    recipe = order.recipe
    stages = tuple(replace(s, model=s.model and Path(s.model).name) for s in recipe.stages)
    told = replace(recipe, model=Path(recipe.model).name, stages=stages).digest()
    told = f"{order.rule}\0{told}"
    return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:_OWN_DIGITS]
