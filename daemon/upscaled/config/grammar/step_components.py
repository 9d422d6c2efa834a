"""The grammar of components that do something else than upscale: the other steps of a workflow.

Their parameters may stand on the component, under `params:`, or under `action:` as in
model-compose; canon.py has brought them to one place.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from upscaled.config.grammar.block import Block, Sized
from upscaled.config.grammar.model_block import Model
from upscaled.config.grammar.values import (
    Anything,
    Duration,
    Precision,
    Text,
    TileSize,
    listed,
    not_bool,
)

Share = Annotated[float, Field(ge=0, le=1)]
Levels = Annotated[float, Field(ge=0, le=255)]
Factor = Annotated[float, Field(ge=0.01, le=64), BeforeValidator(not_bool)]
Decibels = Annotated[float, Field(ge=0, le=100)]
"""Equal pictures have 100."""


class Step(Block):
    type: Text | None = None
    name: str | None = None
    title: str | None = None
    description: str | None = None
    driver: Anything = None
    image: Anything = None
    output: Anything = None
    default: bool | None = None


class NetworkStep(Step):
    architecture: Text | None = None
    family: Text | None = None
    model: Model | None = None
    precision: Precision | None = None
    tile_size: TileSize | None = None
    tile: TileSize | None = None


class Denoiser(NetworkStep):
    """Removes noise: by non-local means, or by a network of scale 1 where `model` names one."""

    task: Literal["image-denoise"]
    strength: Share | None = None
    """0 leaves the image as it is, 1 is the most; 0.5."""


class FaceRestorer(NetworkStep):
    """Restores faces by a network for nothing else (GFPGAN, RestoreFormer), which `model` names."""

    task: Literal["image-face-restore"]
    detector: Text | None = None
    """The file of YuNet (face_detection_yunet_*.onnx), which finds the faces; needed."""
    strength: Share | None = None
    """0 leaves faces as they are, 1 is the network's; 0.8."""


class Sharpener(Step):
    """Unsharp mask, in linear light, without halos."""

    task: Literal["image-sharpen"]
    radius: Annotated[float, Field(ge=0.2, le=50)] | None = None
    """Of the blur, in pixels of the image that is sharpened; 1.5."""
    amount: Annotated[float, Field(ge=0, le=5)] | None = None
    """How much of the difference is added; 0.5."""
    threshold: Levels | None = None
    """Smaller differences, in levels of 255, are left alone; 2."""


class Resizer(Step, Sized):
    """Makes the image larger or smaller by interpolation, in linear light."""

    task: Literal["image-resize"]
    scale: Factor | None = None
    """2, or 0.5 for half the size."""


class QualityAnalyzer(Step):
    """Compares a result with what it was made from; passes no image on."""

    task: Literal["image-quality"]


class Shell(Step):
    """A command of your own, on a file; only where `allow_shell: true` stands at the top level."""

    task: Literal["shell"]
    command: Annotated[
        list[Text], BeforeValidator(listed, json_schema_input_type=Text | list[Text])
    ]
    """The program and its arguments; {input} and {output} are PNG files."""
    timeout: Duration | None = None
    """After which it is killed, and the image fails; 5m."""


STEPS: dict[str, type[Step]] = {
    "image-denoise": Denoiser,
    "image-face-restore": FaceRestorer,
    "image-sharpen": Sharpener,
    "image-resize": Resizer,
    "image-quality": QualityAnalyzer,
    "shell": Shell,
}
ALIASES = {
    "image-denoiser": "image-denoise",
    "image-resizer": "image-resize",
    "image-resizing": "image-resize",
    "image-denoising": "image-denoise",
    "face-restore": "image-face-restore",
    "image-face-restorer": "image-face-restore",
    "image-face-restoration": "image-face-restore",
    "image-sharpener": "image-sharpen",
    "image-sharpening": "image-sharpen",
    "image-quality-analyzer": "image-quality",
    "image-quality-analysis": "image-quality",
    "image-quality-check": "image-quality",
}
