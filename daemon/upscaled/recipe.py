"""What is made of an image: all that decides the bytes of an output."""

import hashlib
import json
from dataclasses import asdict, dataclass

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


_LATER = {
    *("fit", "lossless", "effort", "chroma", "metadata", "provenance", "on_too_large"),
    *("colour_fix", "stages", "result"),
}


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
class Recipe:
    """All that decides the bytes of an output: a snapshot taken when a file is queued."""

    model: str
    """Name in the catalogue, or the absolute path of a model file."""
    scale: float | None = None
    """Output pixels for each input pixel along an edge; None: what the model gives."""
    format: str = "same"
    quality: int | None = None
    tile_px: int | None = None
    """Edge of the input tile; None: found by measurement. It never changes the pixels."""
    precision: str = "auto"
    fit: Fit | None = None
    """A size instead of a scale."""
    lossless: bool | None = None
    """None: as the source was, where that is known."""
    effort: str = "normal"
    """`fast`, `normal` or `best`: time against bytes."""
    chroma: str | None = None
    """`4:4:4`, `4:2:2` or `4:2:0`; None: 4:4:4."""
    metadata: str = "keep"
    """`keep`, or `strip`: all but profile and resolution."""
    provenance: bool = True
    """Whether a result says in its metadata what it was made by."""
    on_too_large: str = "fail"
    """`fail`, `png` or `downscale`, where its format cannot hold a result of this size."""
    colour_fix: bool = True
    """Give back to a result the local averages of the source, which networks drift from."""
    source_limit_mp: float = 500.0
    """Of a source; checked before any pixel is decoded."""
    stages: tuple[StageRecipe, ...] = ()
    """Of a workflow, each after all that it takes from; none: `model`, once."""
    result: str = ""
    """The stage whose image is the result."""

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
        """Hex SHA-256 of what changes pixels; equal recipes give equal outputs."""
        parts = asdict(self)
        del parts["tile_px"], parts["source_limit_mp"]
        if self.scale is not None and float(self.scale).is_integer():
            parts["scale"] = int(self.scale)  # 4 and 4.0 are one scale, and not one text
        usual = Recipe(self.model)
        for key in _LATER & {key for key in parts if getattr(self, key) == getattr(usual, key)}:
            del parts[key]  # so that results of versions that had none are still known
        for stage in parts.get("stages", ()):
            del stage["tile_px"]
            if stage["detector"] is None:
                del stage["detector"]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
