"""What every block of the grammar is, and what several of them share."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict

from upscaled.config.grammar.values import EdgePx, Megapixels, Scale


class Block(BaseModel):
    # Deferred: only Document is ever built, with all below it in one go (0.1 s less at start).
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    def written(self, keys: Iterable[str]) -> dict[str, Any]:
        """Those of `keys` that have a value, for a constructor that knows their defaults."""
        values = {key: getattr(self, key) for key in keys}
        return {key: value for key, value in values.items() if value is not None}


class Sized(Block):
    """How large a result is: one of scale, an edge, width and height (a box), or megapixels."""

    scale: Scale | None = None
    """2, 1.5, …; the model is repeated as often as needed, then made smaller; what it gives."""
    width: EdgePx | None = None
    """In pixels; the height follows, or together they are a box that the result fits into."""
    height: EdgePx | None = None
    long_edge: EdgePx | None = None
    """In pixels, whichever edge it is."""
    short_edge: EdgePx | None = None
    megapixels: Megapixels | None = None
    only_if_smaller: bool | None = None
    """Whether an image that is as large already is left alone; false: it is made smaller."""
