"""The grammar of `output:`: where results go, in which form, and what becomes of the files."""

from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    PlainValidator,
)

from upscaled.config.grammar.block import Block, Sized
from upscaled.config.grammar.values import (
    Chroma,
    Collision,
    Effort,
    ImageFormat,
    MetadataWish,
    MountDemand,
    OnTooLarge,
    Quality,
    Template,
    Text,
    disposal,
)


class Move(Block):
    """Put the file into another folder."""

    move: Text


class Output(Sized):
    folder: Text | None = None
    """Where results go; the folders below the inbox are mirrored."""
    name: Template | None = None
    """For example {stem}_{scale}x.{ext}; fields: stem ext scale model width height rule date
    hash8 n."""
    format: ImageFormat | None = None
    quality: Quality | None = None
    """For formats that lose something; 1 to 100."""
    lossless: bool | None = None
    """For webp, heif and jxl, which can be either; as the source was, where that is known."""
    effort: Effort | None = None
    """Time against bytes, never against pixels; normal."""
    chroma: Chroma | None = None
    """Resolution of colour in jpeg, avif and heif; 4:4:4 (heif: 4:2:0)."""
    metadata: MetadataWish | None = None
    """keep, or strip all but the colour profile and the resolution; keep."""
    provenance: bool | None = None
    """Whether a result says what it was made by, and a rule refuses its own results; true."""
    on_too_large: OnTooLarge | None = None
    """What becomes of a result that its format cannot hold (WebP: 16,383 px an edge); fail."""
    colour_fix: bool | None = None
    """Whether a result gets back the average colours of its source; true."""
    collision: Collision | None = None
    """What happens where a file of the name stands already."""
    require_mount: MountDemand | None = None
    """Whether the folder must lie on a disk of its own; auto: on the one that it was seen on."""


class Review(Block):
    """Put the result into another folder, to be looked at."""

    review: Text


def _output(value: object) -> object:
    return {"folder": value} if isinstance(value, str) else value


Outlet = Annotated[Output, BeforeValidator(_output, json_schema_input_type=Text | Output)]
Disposal = tuple[str, str | None]
OnSuccess = Annotated[
    Disposal,
    PlainValidator(
        disposal("keep", "delete", "trash"),
        json_schema_input_type=Literal["keep", "delete", "trash"] | Move,
    ),
]
OnLowQuality = Annotated[
    Disposal,
    PlainValidator(
        disposal("accept", "warn", "fail", verb="review"),
        json_schema_input_type=Literal["accept", "warn", "fail"] | Review,
    ),
]
OnFailure = Annotated[
    Disposal, PlainValidator(disposal("keep"), json_schema_input_type=Literal["keep"] | Move)
]
