"""The grammar: which keys there are, and where. Validates canonical trees (canon.py).

Every key may be left empty (`exclude:`), which means the same as leaving it out. The JSON schema
for editors is generated from these classes, descriptions included (schema.py).
"""

from typing import Annotated

from pydantic import (
    Discriminator,
    Tag,
)

from upscaled.config.grammar.block import Block
from upscaled.config.grammar.component import Foreign, Upscaler, is_upscaler
from upscaled.config.grammar.rule import Rule
from upscaled.config.grammar.step_components import (
    STEPS,
    Denoiser,
    FaceRestorer,
    QualityAnalyzer,
    Resizer,
    Sharpener,
    Shell,
)
from upscaled.config.grammar.values import (
    Anything,
    Devices,
    KeepAlive,
    Memory,
    Notifications,
    Precision,
    Text,
    Texts,
)
from upscaled.config.grammar.workflow_block import Workflow

TAGS = (
    *("<upscaler>", "<foreign>", "<source>", "<name>", "<size>", "<any>"),
    *(f"<{task}>" for task in STEPS),
)
"""Names of union members, as they stand in pydantic's paths."""


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
