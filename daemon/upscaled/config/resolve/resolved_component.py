"""A component block, in any of its dialects, as what the recipe needs of it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from upscaled.config.findings import Findings, dotted
from upscaled.config.grammar.block import Sized
from upscaled.config.grammar.component import Action, Params, Upscaler
from upscaled.config.grammar.model_block import ModelSource
from upscaled.config.problems import did_you_mean
from upscaled.config.resolve.sizing import Sizing, sized
from upscaled.config.settings import DEFAULT_MODEL, ModelAccess
from upscaled.config.tree import Location

Expand = Callable[[str, Location], Path]
"""(path as written, where) to an absolute path."""

_ARCHITECTURES = (
    *("real-esrgan", "esrgan", "swinir", "compact", "srvgg", "span", "rrdbnet", "swin2sr"),
    *(
        "hat",
        "dat",
        "atd",
        "drct",
        "plksr",
        "realplksr",
        "omnisr",
        "rgt",
        "esc",
        "mosr",
        "spanplus",
    ),
)
_MODEL_FILES = (".pth", ".pt", ".ckpt", ".safetensors", ".param", ".bin")
_INPUT_IMAGE = re.compile(r"\$\{\s*input\b.*\}", re.DOTALL)
_EXACT = "tiling is exact, without pads"
_NO_MEANING: dict[str, str] = {
    "tile_pad": _EXACT,
    "tile_pad_size": _EXACT,
    "tile_overlap": _EXACT,
    "pre_pad_size": _EXACT,
    "tile_batch_size": "the batch is found by measurement",
    "batch_size": "images are worked on as they come",
    "half_precision": "'precision: auto' uses 16 bit where the device has it",
    "denoise_strength": "the network has no such input",
    "color_format": "files say themselves how their colours are stored",
    "output": "a rule has 'output:' for its results",
    "device": "'device:' stands at the top level",
    "device_mode": "'device:' stands at the top level",
    "quantization": "'precision:' decides",
    "low_cpu_mem_usage": "'memory:' at the top level is the limit",
    "runtime_spec": "'memory:' at the top level is the limit",
    "peft_adapters": "upscaling networks have none",
    "preload": "a model is loaded when its first image comes",
    "on_demand": "'keep_alive:' at the top level says how long an idle model stays loaded",
    "max_concurrent_count": "each device works on one image at a time",
    "runtime": "models always run in a worker process",
}
_AS_IT_IS_HERE: dict[str, tuple[object, ...]] = {
    "color_format": ("rgb",),
    "batch_size": (1,),
    "max_concurrent_count": (1,),
    "half_precision": (False,),
    "device": ("auto",),
}
"""Values that ask for what is done anyway, so that nothing need be said."""


@dataclass(frozen=True, slots=True)
class ResolvedComponent:
    model: str = DEFAULT_MODEL
    size: Sizing = field(default_factory=Sizing)
    tile_px: int | None = None
    precision: str | None = None
    access: ModelAccess | None = None


def ingredients(
    block: Upscaler, at: Location, findings: Findings, expand: Expand
) -> ResolvedComponent:
    levels = list(_levels(block, at))
    for level, where in levels:
        _note_meaningless(level, where, findings)
    _check_architecture(block, at, findings)
    model, access = model_of(block.model, (*at, "model"), findings, expand)
    tile = _same_thing(levels, ("tile_size", "tile"), findings)
    return ResolvedComponent(
        model=model,
        size=_size(block, levels, at, findings),
        tile_px=tile,
        precision=block.precision,
        access=access,
    )


def _size(
    block: Upscaler, levels: list[tuple[Params, Location]], at: Location, findings: Findings
) -> Sizing:
    scale = _same_thing(levels, ("scale",), findings)
    own = Sizing()
    if isinstance(block.output, Sized):
        own = sized(block.output, (*at, "output"), findings)
    if scale is not None and own != Sizing():
        findings.error((*at, "output"), "'output' and 'scale' both say how large", "keep one")
    return Sizing(scale=scale) if own == Sizing() else own


def _levels(block: Upscaler, at: Location) -> list[tuple[Params, Location]]:
    """All places where parameters may stand, the one that wins first."""
    actions: list[tuple[Action, Location]] = []
    if block.action:
        actions.append((block.action, (*at, "action")))
    actions += [
        (action, (*at, "actions", index)) for index, action in enumerate(block.actions or ())
    ]
    found: list[tuple[Params, Location]] = []
    for action, where in [*actions, (block, at)]:
        if action.params:
            found.append((action.params, (*where, "params")))
        found.append((action, where))
    return found


def _same_thing(
    levels: list[tuple[Params, Location]], names: tuple[str, ...], findings: Findings
) -> Any:
    """The first value that was written under any of `names`."""
    written = [
        (getattr(level, name), (*where, name))
        for level, where in levels
        for name in names
        if name in level.model_fields_set
    ]
    for value, where in written[1:]:
        if value != written[0][0]:
            first = dotted(written[0][1])
            findings.error(where, f"'{where[-1]}' says something else than '{first}'", "keep one")
    return written[0][0] if written else None


def _note_meaningless(level: Params, at: Location, findings: Findings) -> None:
    for name in type(level).model_fields:
        value = getattr(level, name)
        asks = value is not None and value not in _AS_IT_IS_HERE.get(name, ())
        asks = asks and not isinstance(value, Sized)
        if asks and name in _NO_MEANING:
            findings.notice((*at, name), f"'{name}' has no meaning here: {_NO_MEANING[name]}")
    image = getattr(level, "image", None)
    if image is not None and not (isinstance(image, str) and _INPUT_IMAGE.fullmatch(image)):
        findings.notice(
            (*at, "image"), "'image' has no meaning here: a rule gives its files by itself"
        )


def _check_architecture(block: Upscaler, at: Location, findings: Findings) -> None:
    """The model's file says what it is; the word is only checked for slips."""
    if block.architecture and block.family and _bare(block.architecture) != _bare(block.family):
        findings.error((*at, "family"), "'family' and 'architecture' are one thing", "keep one")
    for key, word in (("architecture", block.architecture), ("family", block.family)):
        if word is None or _bare(word) in {_bare(known) for known in _ARCHITECTURES}:
            continue
        if _bare(word) == "ldsr":
            findings.error((*at, key), "'ldsr' is a diffusion model, which is not done here",
                           "use real-esrgan")  # fmt: skip
        elif hint := did_you_mean(word, _ARCHITECTURES):
            findings.error((*at, key), f"unknown {key} '{word}'", hint)
        else:
            findings.notice((*at, key), f"{key} '{word}' is not known; the model's file decides")


def _bare(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())


def model_of(
    written: ModelSource | str | None, at: Location, findings: Findings, expand: Expand
) -> tuple[str, ModelAccess | None]:
    """As `Recipe.model` has it, and how it may be fetched."""
    if written is None:
        return DEFAULT_MODEL, None
    if isinstance(written, ModelSource):
        return _from_source(written, at, findings, expand)
    is_source = written.startswith(("huggingface:", "pypi:", "http:", "https:"))
    is_file = written.startswith((".", "~", "/")) or written.lower().endswith(_MODEL_FILES)
    if is_file and not is_source:
        return str(expand(written, at)), None
    if re.fullmatch(r"[\w.-]+/[\w.-]+", written):
        # model-compose's short form for a repository.
        return f"huggingface:{written}", None
    return written, None


def _from_source(
    source: ModelSource, at: Location, findings: Findings, expand: Expand
) -> tuple[str, ModelAccess | None]:
    match source.provider or _inferred(source):
        case "huggingface":
            model = _hub_file(source, at, findings)
        case "local":
            model = _local_file(source, at, findings, expand)
        case _:
            if source.name is None:
                findings.missing(at, "this model has no name", "add 'name: realesrgan-x4plus'")
            model = source.name or DEFAULT_MODEL
    access = ModelAccess(
        token=source.token or None,
        cache_folder=expand(source.cache_dir, (*at, "cache_dir")) if source.cache_dir else None,
        scale=source.scale,
    )
    return _pinned(model, source), None if access == ModelAccess() else access


def _pinned(model: str, source: ModelSource) -> str:
    """With the options that belong to the model's line (models/model_source.py)."""
    options = {"sha256": source.sha256.lower()} if source.sha256 else {}
    if source.local_files_only:
        options["local_files_only"] = "1"
    return f"{model}#{urlencode(options)}" if options and not model.startswith("/") else model


def _inferred(source: ModelSource) -> str:
    if source.repository:
        return "huggingface"
    return "named" if source.name else "local"


def _hub_file(source: ModelSource, at: Location, findings: Findings) -> str:
    if source.repository is None:
        findings.missing(at, "this model has no repository", "add 'repository: OWNER/NAME'")
        return DEFAULT_MODEL
    model = f"huggingface:{source.repository}"
    model += f"@{source.revision}" if source.revision else ""
    if source.filename is None:
        return model
    return f"{model}:{source.filename.replace('%', '%25').replace('#', '%23')}"


def _local_file(source: ModelSource, at: Location, findings: Findings, expand: Expand) -> str:
    if source.path:
        return str(expand(source.path, (*at, "path")))
    if isinstance(source.url, str) and source.url.startswith(("https://", "http://")):
        return source.url
    if source.url is not None:
        findings.error((*at, "url"), "a model's address begins with https://")
    else:
        remedy = "add 'path:', or 'repository:' with 'filename:'"
        findings.missing(at, "this model says nothing of its place", remedy)
    return DEFAULT_MODEL
