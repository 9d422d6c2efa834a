"""The grammar of a rule: which files of which inboxes, on which conditions, and what then."""

from typing import Annotated

from pydantic import (
    BeforeValidator,
)

from upscaled.config.grammar.block import Block
from upscaled.config.grammar.output import OnFailure, OnLowQuality, OnSuccess, Outlet
from upscaled.config.grammar.step_components import Decibels, Levels, Share
from upscaled.config.grammar.values import (
    Anything,
    Attempts,
    Command,
    Duration,
    Kinds,
    Megapixels,
    MountDemand,
    NumberRange,
    Patterns,
    Priority,
    Scale,
    Sheet,
    SizeRange,
    Text,
    Texts,
)


class Retry(Block):
    max_attempts: Attempts | None = None
    max_attempt_count: Attempts | None = None
    """model-compose's word for max_attempts."""
    delay: Anything = None
    backoff: Anything = None
    max_delay: Anything = None


def _retry(value: object) -> object:
    return value if isinstance(value, dict) or value is None else {"max_attempts": value}


Retries = Annotated[Retry, BeforeValidator(_retry, json_schema_input_type=Attempts | Retry)]


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
    follow_symlinks: bool | None = None
    """Whether folders that are symbolic links are entered; links to files never are; false."""
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
