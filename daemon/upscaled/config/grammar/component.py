"""The grammar of a component that upscales, in all dialects of model-compose."""

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Tag,
)

from upscaled.config.grammar.block import Block, Sized
from upscaled.config.grammar.model_block import Model
from upscaled.config.grammar.values import Anything, Precision, Scale, Text, TileSize, listed
from upscaled.config.problems import did_you_mean


def _kind_of_output(value: object) -> str:
    is_size = isinstance(value, dict) and any(key in Sized.model_fields for key in value)
    return "<size>" if is_size else "<any>"


SizeOrAnything = Annotated[
    Annotated[Sized, Tag("<size>")] | Annotated[Anything, Tag("<any>")],
    Discriminator(_kind_of_output),
]
"""model-compose's `output:` of a component names a variable; ours says how large results are."""


class Params(Block):
    """Numbers for the network; model-compose's names, old and new."""

    tile_size: TileSize | None = None
    """Edge of a tile in pixels, or auto; never changes the result."""
    tile: TileSize | None = None
    tile_pad: Anything = None
    tile_pad_size: Anything = None
    tile_overlap: Anything = None
    pre_pad_size: Anything = None
    tile_batch_size: Anything = None
    batch_size: Anything = None
    half_precision: Anything = None
    denoise_strength: Anything = None
    color_format: Anything = None
    scale: Scale | None = None
    """Of results: 2, 1.5, …; what the model gives. A rule's own scale or size wins."""


class Action(Params):
    id: str | None = None
    image: Anything = None
    output: Anything = None
    params: Params | None = None


class Upscaler(Action):
    """A component that upscales: `type: model`, `task: image-upscale`."""

    type: Literal["model"] | None = None
    task: Literal["image-upscale"] | None = None
    name: str | None = None
    description: str | None = None
    architecture: Text | None = None
    family: Text | None = None
    """model-compose's newer word for architecture."""
    output: SizeOrAnything = None
    """How large results are, where a rule does not say it: scale, width, height, long_edge …"""
    driver: Anything = None
    model: Model | None = None
    """A name (upscaled models list), a file, or where it comes from."""
    precision: Precision | None = None
    default: bool | None = None
    """Whether rules that name no component use this one."""
    action: Action | None = None
    actions: (
        Annotated[
            list[Action], BeforeValidator(listed, json_schema_input_type=Action | list[Action])
        ]
        | None
    ) = None
    device: Anything = None
    device_mode: Anything = None
    quantization: Anything = None
    low_cpu_mem_usage: Anything = None
    peft_adapters: Anything = None
    runtime_spec: Anything = None
    preload: Anything = None
    on_demand: Anything = None
    max_concurrent_count: Anything = None
    runtime: Anything = None


class Foreign(BaseModel):
    """A component of another kind: accepted whole; a rule cannot use it."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)
    type: str | None = None
    task: str | None = None


def is_upscaler(block: object) -> bool:
    """Whether a component is, or was meant to be, one that upscales."""
    if not isinstance(block, dict):
        return True
    kind, task = block.get("type"), block.get("task")
    kind_fits = kind in (None, "model") or bool(did_you_mean(str(kind), ["model"]))
    task_fits = task in (None, "image-upscale") or bool(did_you_mean(str(task), ["image-upscale"]))
    return kind_fits and task_fits
