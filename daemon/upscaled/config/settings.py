"""What a configuration means, resolved: the plain frozen values that the program runs on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from upscaled.config.grammar.conditions import NO_CONDITIONS, Conditions
from upscaled.config.problems import ConfigProblem, Origin
from upscaled.delivery import Delivery
from upscaled.recipe import Recipe

DEFAULT_MODEL = "realesrgan-x4plus"
DEFAULT_INCLUDE = (
    # What Pillow and OpenCV read as pictures; formats that are only ever read are in it too.
    *("*.jpg", "*.jpeg", "*.jpe", "*.jfif", "*.png", "*.apng", "*.webp", "*.avif"),
    *("*.tif", "*.tiff", "*.bmp", "*.dib", "*.gif", "*.jp2", "*.j2k", "*.jpx"),
    *("*.ppm", "*.pgm", "*.pbm", "*.pnm", "*.tga", "*.heic", "*.heif", "*.jxl"),
)
SETTLE_S = 2.0
RESCAN_S = 300.0
POLL_S = 10.0
KEEP_ALIVE_S = 600.0
MAX_ATTEMPTS = 3
HISTORY_S = 90 * 86_400.0
HOOK_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class ModelAccess:
    """How a model may be fetched. Kept out of the recipe: it never changes a pixel."""

    token: str | None = field(default=None, repr=False)
    cache_folder: Path | None = None
    scale: int | None = None
    """What its file is said to give; one that gives something else is refused."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """Commands of the user's own that are told what became of a rule's files."""

    on_done: tuple[str, ...] = ()
    """Program and arguments; empty: none."""
    on_failed: tuple[str, ...] = ()
    on_idle: tuple[str, ...] = ()
    timeout_s: float = HOOK_TIMEOUT_S


NO_HOOKS = Hooks()


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """One rule, complete. Two are equal when they do the same, wherever they were written."""

    name: str
    roots: tuple[Path, ...]
    """Absolute inbox folders, as written (symlinks are not resolved)."""
    recipe: Recipe
    delivery: Delivery
    recursive: bool = True
    hidden: bool = False
    """Whether names that begin with a dot are taken."""
    follow_symlinks: bool = False
    """Whether linked folders are entered."""
    include: tuple[str, ...] = DEFAULT_INCLUDE
    """gitignore patterns, relative to a root, case not respected."""
    exclude: tuple[str, ...] = ()
    when: Conditions = NO_CONDITIONS
    allow_chain: bool = False
    """Its results may be another rule's sources."""
    also: bool = False
    """Takes its files whether or not another rule takes them too."""
    settle_s: float = SETTLE_S
    rescan_s: float = RESCAN_S
    poll_s: float = POLL_S
    """Between two looks at a folder that gives no events (network, FUSE)."""
    require_mount: bool | None = None
    """Whether the inboxes must lie on disks of their own; None: on those they were seen on."""
    priority: int = 0
    """Higher goes first."""
    enabled: bool = True
    max_attempts: int = MAX_ATTEMPTS
    timeout_s: float | None = None
    """For one attempt; None: as long as it takes."""
    component: str | None = None
    """Name of the component it was built from; None: the default model."""
    workflow: str | None = None
    hooks: Hooks = NO_HOOKS
    origins: Mapping[str, Origin] = field(default_factory=dict, compare=False, repr=False)
    """Where each key (`include`, `include.0`, `output.folder` …) was written."""


@dataclass(frozen=True, slots=True)
class Settings:
    rules: tuple[RuleSettings, ...]
    """In file order, which is the order in which they are asked; disabled ones included."""
    device: str | tuple[str, ...] = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:N`, `mps`, or several of the last kinds."""
    precision: str = "auto"
    """`auto`, `fp32`, `fp16` or `bf16`."""
    compile_networks: bool = False
    memory_bytes: int | None = None
    memory_share: float | None = None
    """`memory: 50%` as 0.5, of the memory of the machine; None with `memory_bytes`, or no limit."""
    keep_alive_s: float | None = KEEP_ALIVE_S
    """Seconds an idle model stays loaded; None: for ever."""
    history_s: float | None = HISTORY_S
    """How long the ledger keeps jobs that ended and whose files are gone; None: for ever."""
    watch_config: bool = False
    notifications: str = "all"
    """What the desktop is told of: `all`, `failures` or `none`."""
    metrics_file: Path | None = None
    model_access: Mapping[str, ModelAccess] = field(default_factory=dict)
    """By `Recipe.model`, only for models with something to say."""
    source_files: tuple[Path, ...] = ()
    """Every file that was read: the configuration, its includes, `.env`."""
    watched: tuple[Path, ...] = ()
    """What to look at for changes: these files, `.env` where it may appear, folders of patterns."""
    notices: tuple[ConfigProblem, ...] = ()
    """What is accepted and has no meaning here, or looks like a slip."""

    def rule(self, name: str) -> RuleSettings | None:
        return next((rule for rule in self.rules if rule.name == name), None)
