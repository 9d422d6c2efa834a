"""What is made of an image: all that decides the bytes of an output."""

import hashlib
import json
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

IMAGE_UPSCALE = "image-upscale"
IMAGE_DENOISE = "image-denoise"
IMAGE_SHARPEN = "image-sharpen"
IMAGE_RESIZE = "image-resize"
IMAGE_FACES = "image-face-restore"
IMAGE_QUALITY = "image-quality"
SHELL = "shell"


@dataclass(frozen=True, slots=True)
class Fit:
    """How large a result has to be, whatever the source is. Only one way of saying it is used;
    width and height together are a box that it fits into. Nothing is ever stretched.
    """

    width_px: int | None = None
    height_px: int | None = None
    long_edge_px: int | None = None
    short_edge_px: int | None = None
    megapixels: float | None = None
    """Millions of pixels."""
    only_if_smaller: bool = False
    """Leave an image alone that is as large already; else it is made smaller."""


@dataclass(frozen=True, slots=True)
class StageRecipe:
    """One step of a workflow, resolved: what is done to which images."""

    task: str
    name: str = ""
    inputs: tuple[str, ...] = ("",)
    """Names of stages that stand before it; empty: the source."""
    model: str | None = None
    """As in `Recipe`; None: none is needed."""
    scale: float | None = None
    fit: Fit | None = None
    tile_px: int | None = None
    precision: str = "auto"
    numbers: tuple[tuple[str, float], ...] = ()
    """The parameters of its task, by name."""
    command: tuple[str, ...] = ()
    detector: str | None = None
    """The absolute path of what finds faces."""


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """How a result is written: keys of `output:` by the same names, with their defaults.

    It is one value from the grammar to the encoder. A key that stands here and in the grammar is
    resolved, shown, stored and hashed without another word.
    """

    format: str = "same"
    """`same` as the source, or a name in `formats.FORMATS`."""
    quality: int | None = None
    """1 to 100, for formats that lose something; None: the format's own default."""
    lossless: bool | None = None
    """For formats that can be either; None: as the source was, where that is known."""
    effort: str = "normal"
    """`fast`, `normal` or `best`: time against bytes, never against pixels."""
    chroma: str | None = None
    """`4:4:4`, `4:2:2` or `4:2:0`; None: the format's own default."""
    metadata: str = "keep"
    """`keep`, or `strip`: all but profile and resolution."""
    provenance: bool = True
    """Whether a result says in its metadata what it was made by."""
    on_too_large: str = "fail"
    """`fail`, `png` or `downscale`, where its format cannot hold a result of this size."""
    colour_fix: bool = True
    """Give back to a result the local averages of the source, which networks drift from."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides the bytes of an output: a snapshot taken when a file is queued."""

    model: str
    """Name in the catalogue, or the absolute path of a model file."""
    scale: float | None = None
    """Output pixels for each input pixel along an edge; None: what the model gives."""
    tile_px: int | None = None
    """Edge of the input tile; None: found by measurement. It never changes the pixels."""
    precision: str = "auto"
    fit: Fit | None = None
    """A size instead of a scale."""
    source_limit_mp: float = 500.0
    """Of a source; checked before any pixel is decoded."""
    stages: tuple[StageRecipe, ...] = ()
    """Of a workflow, each after all that it takes from; none: `model`, once."""
    result: str = ""
    """The stage whose image is the result."""
    output: OutputOptions = field(default_factory=OutputOptions)

    @property
    def models(self) -> tuple[str, ...]:
        """All that it needs; a workflow may need several, or none."""
        if not self.stages:
            return (self.model,)
        return tuple(dict.fromkeys(stage.model for stage in self.stages if stage.model))

    @property
    def networks(self) -> tuple["Recipe", ...]:
        """The same, each with all that makes it another network in memory."""
        if not self.stages:
            return (Recipe(self.model, tile_px=self.tile_px, precision=self.precision),)
        loaded = (
            Recipe(stage.model, tile_px=stage.tile_px, precision=stage.precision)
            for stage in self.stages
            if stage.model
        )
        return tuple(dict.fromkeys(loaded))

    def digest(self) -> str:
        """Hex SHA-256 of what changes pixels; equal recipes give equal outputs.

        It stands in databases and in the metadata of results, so it never changes for a recipe
        that an earlier version could have: a field is left out while it has its default.
        """
        parts = _hashed(self)
        # The options of the output lay flat among the rest once.
        parts |= parts.pop("output")
        if self.scale is not None and float(self.scale).is_integer():
            parts["scale"] = int(self.scale)  # 4 and 4.0 are one scale, and not one text
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


_NO_PIXELS = {"tile_px", "source_limit_mp"}
_WITH_DEFAULTS: dict[type, set[str]] = {
    Recipe: {"scale", "precision"},
    OutputOptions: {"format", "quality"},
    StageRecipe: {"name", "inputs", "model", "scale", "fit", "precision", "numbers", "command"},
    Fit: {
        *("width_px", "height_px", "long_edge_px", "short_edge_px"),
        *("megapixels", "only_if_smaller"),
    },
}
"""What 0.1.0 hashed even with its default. Closed lists: a new field belongs into none of them."""


def _hashed(value: Any) -> Any:
    """What JSON can hold of a recipe, or a part of it, that decides pixels."""
    if isinstance(value, tuple):
        return [_hashed(item) for item in value]
    if not is_dataclass(value):
        return value
    always = _WITH_DEFAULTS.get(type(value), set())
    told = {each.name: (getattr(value, each.name), each.default) for each in fields(value)}
    return {
        name: _hashed(own)
        for name, (own, default) in told.items()
        if name not in _NO_PIXELS and (name in always or own != default)
    }
