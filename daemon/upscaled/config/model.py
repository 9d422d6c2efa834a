"""The grammar: which keys there are, and where. Validates canonical trees (canon.py).

Every key may be left empty (`exclude:`), which means the same as leaving it out. The JSON schema
for editors is generated from these classes, descriptions included (schema.py).
"""

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    PlainValidator,
    Tag,
)

from upscaled.config.block import Block, Sized
from upscaled.config.flow import Workflow
from upscaled.config.problems import did_you_mean
from upscaled.config.steps import (
    STEPS,
    Decibels,
    Denoiser,
    FaceRestorer,
    Levels,
    QualityAnalyzer,
    Resizer,
    Share,
    Sharpener,
    Shell,
)
from upscaled.config.weights import Model
from upscaled.config.words import (
    Anything,
    Attempts,
    Chroma,
    Collision,
    Command,
    Devices,
    Duration,
    Effort,
    ImageFormat,
    KeepAlive,
    Kinds,
    Megapixels,
    Memory,
    MetadataWish,
    MountDemand,
    Notifications,
    NumberRange,
    OnTooLarge,
    Patterns,
    Precision,
    Priority,
    Quality,
    Scale,
    Sheet,
    SizeRange,
    Template,
    Text,
    Texts,
    TileSize,
    disposal,
    listed,
)

TAGS = (
    *("<upscaler>", "<foreign>", "<source>", "<name>", "<size>", "<any>"),
    *(f"<{task}>" for task in STEPS),
)
"""Names of union members, as they stand in pydantic's paths."""


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


class Retry(Block):
    max_attempts: Attempts | None = None
    max_attempt_count: Attempts | None = None
    """model-compose's word for max_attempts."""
    delay: Anything = None
    backoff: Anything = None
    max_delay: Anything = None


def _kind_of_output(value: object) -> str:
    is_size = isinstance(value, dict) and any(key in Sized.model_fields for key in value)
    return "<size>" if is_size else "<any>"


SizeOrAnything = Annotated[
    Annotated[Sized, Tag("<size>")] | Annotated[Anything, Tag("<any>")],
    Discriminator(_kind_of_output),
]
"""model-compose's `output:` of a component names a variable; ours says how large results are."""


def _output(value: object) -> object:
    return {"folder": value} if isinstance(value, str) else value


def _retry(value: object) -> object:
    return value if isinstance(value, dict) or value is None else {"max_attempts": value}


Outlet = Annotated[Output, BeforeValidator(_output, json_schema_input_type=Text | Output)]
Retries = Annotated[Retry, BeforeValidator(_retry, json_schema_input_type=Attempts | Retry)]
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


class When(Block):
    """Conditions on the picture itself; all that is written has to hold."""

    size: SizeRange | None = None
    """Of the file: {max: 20MB}, 100KB..5MB."""
    megapixels: NumberRange | None = None
    """{max: 4}, 1..12."""
    width: NumberRange | None = None
    """In pixels, as the picture is seen upright."""
    height: NumberRange | None = None
    format: Kinds | None = None
    """What the content is, whatever the file is called: jpeg, [png, webp]."""
    gray: bool | None = None
    """Whether it is stored in gray; false: in colour."""
    alpha: bool | None = None
    """Whether it has an alpha channel."""
    animated: bool | None = None
    """Whether it has several frames."""


class Check(Block):
    """What a result has to be like, measured against its source."""

    min_psnr: Decibels | None = None
    """Of the result, made as small as the source, against the source; in dB."""
    min_ssim: Share | None = None
    """The same as structural similarity, 0 to 1."""
    max_colour_drift: Levels | None = None
    """How far a colour may move as a whole, in levels of 255."""
    on_low_quality: OnLowQuality | None = None
    """accept, warn, fail, or {review: FOLDER}, where such results go instead; warn."""
    sidecar: bool | None = None
    """Whether the figures are written beside the result as JSON; false."""
    contact_sheet: Sheet | None = None
    """png or html: before and after, beside the result."""


class HooksBlock(Block):
    """Commands that are run when something has ended; without a shell."""

    on_done: Command | None = None
    """After each result; text is split into words as a shell does it."""
    on_failed: Command | None = None
    """After each file that failed for good."""
    on_idle: Command | None = None
    """When the rule has come to the end of its queue."""
    timeout: Duration | None = None
    """After which a command is killed; 60s."""


class Rule(Block):
    """Which files of which inboxes are upscaled, how, and where the results go."""

    extends: Text | None = None
    """Another rule, whose keys hold here too where they are not written anew."""
    description: str | None = None
    watch: Texts | None = None
    """The inbox, or several."""
    recursive: bool | None = None
    """Whether folders below the inbox are watched too; true."""
    hidden: bool | None = None
    """Whether files and folders that begin with a dot are taken; false."""
    include: Patterns | None = None
    """gitignore patterns, case not respected; the usual image files."""
    exclude: Patterns | None = None
    when: When | None = None
    """Conditions on the picture itself; where they do not hold, the next rule is asked."""
    allow_chain: bool | None = None
    """Whether its results may fall into the inbox of another rule, which then takes them; false."""
    also: bool | None = None
    """Takes its files whether or not another rule takes them too; false."""
    component: Text | None = None
    """The name of a component; not needed where there is one, or none."""
    scale: Scale | None = None
    """The same as output.scale."""
    workflow: Text | None = None
    """The name of a workflow; several components, one after the other."""
    outputs: dict[str, Outlet] | None = None
    """More results of the workflow: the name of a job, and where what it gives goes."""
    quality_check: Check | None = None
    """What results have to be like; false."""
    output: Outlet | None = None
    """The folder for results, or folder, name, format, quality and collision."""
    on_success: OnSuccess | None = None
    """What becomes of the source once its result is safe on the disk; keep."""
    on_failure: OnFailure | None = None
    hooks: HooksBlock | None = None
    """Commands of your own that are told what became of the files."""
    settle: Duration | None = None
    """How long a file must stay unchanged before it is read; 2s."""
    rescan: Duration | None = None
    """Between two looks through the whole inbox; 5m."""
    poll: Duration | None = None
    """Between two looks where the file system gives no events (network, FUSE); 10s."""
    source_limit_mp: Megapixels | None = None
    """The largest source that is decoded, in megapixels; 500."""
    require_mount: MountDemand | None = None
    """Whether the inbox must lie on a disk of its own; auto: on the one that it was seen on."""
    timeout: Duration | None = None
    """For one attempt at one image."""
    priority: Priority | None = None
    """Higher goes first; 0."""
    enabled: bool | None = None
    max_attempts: Attempts | None = None
    """How often an image is tried where trying again can help; 3."""
    retry: Retries | None = None


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


def _kind_of_component(block: object) -> str:
    task = block.get("task") if isinstance(block, dict) else None
    if isinstance(task, str) and task in STEPS:
        return f"<{task}>"
    return "<upscaler>" if is_upscaler(block) else "<foreign>"


Component = Annotated[
    Annotated[Upscaler, Tag("<upscaler>")]
    | Annotated[Foreign, Tag("<foreign>")]
    | Annotated[Denoiser, Tag("<image-denoise>")]
    | Annotated[FaceRestorer, Tag("<image-face-restore>")]
    | Annotated[Sharpener, Tag("<image-sharpen>")]
    | Annotated[Resizer, Tag("<image-resize>")]
    | Annotated[QualityAnalyzer, Tag("<image-quality>")]
    | Annotated[Shell, Tag("<shell>")],
    Discriminator(_kind_of_component),
]

FOREIGN_KEYS = (
    *("controller", "listeners", "listener", "gateways", "gateway"),
    *("systems", "system", "tracers", "tracer", "loggers", "logger"),
)
"""Sections of model-compose's server, which have no meaning in a watch-folder daemon."""


class Document(Block):
    name: Anything = None
    version: Anything = None
    include: Texts | None = None
    """More files, patterns too; what stands in two of them is an error."""
    device: Devices | None = None
    """auto, cpu, cuda, cuda:1, mps, or several like [cuda:0, cuda:1]."""
    precision: Precision | None = None
    compile: bool | None = None
    """Whether torch compiles networks, which takes a compiler and pays off on a GPU; false."""
    memory: Memory | None = None
    """The most that upscaling may take: 4GB, 512MiB, 50%."""
    keep_alive: KeepAlive | None = None
    """How long an idle model stays loaded: 10m, 0, forever."""
    history: KeepAlive | None = None
    """How long jobs that ended are remembered once their files are gone: 90d, forever."""
    watch_config: bool | None = None
    """Whether a change of the configuration takes effect by itself; false."""
    notifications: Notifications | None = None
    """Whether the desktop is told when a batch is done: true, false, failures; true."""
    metrics_file: Text | None = None
    """Where to write figures for the textfile collector of Prometheus' node-exporter."""
    defaults: Rule | None = None
    """Holds for all rules, where they do not say otherwise."""
    rules: dict[str, Rule] | None = None
    components: dict[str, Component] | None = None
    component: Anything = None
    """The only component, as in model-compose."""
    workflows: dict[str, Workflow] | None = None
    allow_shell: bool | None = None
    """Whether workflows may run commands of your own (`task: shell`); false."""
    controller: Anything = None
    listeners: Anything = None
    listener: Anything = None
    gateways: Anything = None
    gateway: Anything = None
    systems: Anything = None
    system: Anything = None
    tracers: Anything = None
    tracer: Anything = None
    loggers: Anything = None
    logger: Anything = None
