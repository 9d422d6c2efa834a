"""The components of a document: which one a rule uses, and what its model is known for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from upscaled.config.findings import INLINE, Findings
from upscaled.config.grammar.component import Foreign, Upscaler
from upscaled.config.grammar.rule import Rule
from upscaled.config.grammar.step_components import (
    STEPS,
    Denoiser,
    NetworkStep,
    QualityAnalyzer,
    Sharpener,
    Step,
)
from upscaled.config.problems import did_you_mean
from upscaled.config.resolve.resolved_component import (
    Expand,
    ResolvedComponent,
    ingredients,
    model_of,
)
from upscaled.config.settings import ModelAccess
from upscaled.config.tree import Location

BUILT_IN: dict[str, Callable[[], Upscaler | Step]] = {
    "image-upscaler": Upscaler,
    "image-denoiser": partial(Denoiser, task="image-denoise"),
    "image-sharpener": partial(Sharpener, task="image-sharpen"),
    "image-quality-analyzer": partial(QualityAnalyzer, task="image-quality"),
}
"""What the components of the seed are called, where nobody says what they are."""


@dataclass(frozen=True, slots=True)
class ModelChecks:
    """What the layer above knows of a `Recipe.model`; None where it is not asked."""

    complaint: Callable[[str], str | None] | None = None
    """What is wrong with it; a second line is the hint."""
    scale: Callable[[str], int | None] | None = None
    """Its scale, where that is known without loading it."""
    notice: Callable[[str], str | None] | None = None


@dataclass(slots=True)
class Components:
    blocks: Mapping[str, Upscaler | Foreign | Step]
    """As written."""
    findings: Findings
    expand: Expand
    models: ModelChecks
    _ready: dict[str, ResolvedComponent] = field(default_factory=dict)

    def access(self) -> dict[str, ModelAccess]:
        """By model, of all components that were made."""
        found: dict[str, ModelAccess] = {}
        for name, made in self._ready.items():
            if made.access is None:
                continue
            before = found.get(made.model, made.access)
            if None not in {before.scale, made.access.scale} and before.scale != made.access.scale:
                self.findings.error(
                    ("components", name, "model", "scale"),
                    f"another component says {before.scale}x of the same model",
                    "a file has one scale: write the right one in both, or leave it out",
                )
            found[made.model] = replace(made.access, scale=made.access.scale or before.scale)
        return found

    def block(self, name: str) -> Upscaler | Foreign | Step:
        """As written, or built in."""
        return self.blocks[name] if name in self.blocks else BUILT_IN[name]()

    def made(self, name: str) -> ResolvedComponent:
        """Of a component that exists; an empty one where it is of another kind."""
        if name in self._ready:
            return self._ready[name]
        at: Location = ("components", name)
        block = self.block(name)
        if isinstance(block, Foreign):
            kind = block.task or block.type
            self.findings.notice(at, f"the component '{name}' ({kind}) is not used by any rule")
            return ResolvedComponent()
        if isinstance(block, Step):
            return self._made_step(name, block, at)
        made = ingredients(block, at, self.findings, self.expand)
        self._ready[name] = made
        self._check_model(made, block, at)
        return made

    def _made_step(self, name: str, block: Step, at: Location) -> ResolvedComponent:
        model = block.model if isinstance(block, NetworkStep) else None
        if model is None or not isinstance(block, NetworkStep):
            return ResolvedComponent()
        named, access = model_of(model, (*at, "model"), self.findings, self.expand)
        made = ResolvedComponent(named, tile_px=block.tile_size or block.tile,
                           precision=block.precision, access=access)  # fmt: skip
        self._ready[name] = made
        self._check_model(made, block, at)
        return made

    def _check_model(
        self, made: ResolvedComponent, block: Upscaler | NetworkStep, at: Location
    ) -> None:
        where = next(
            ((*at, "model", key) for key in ("filename", "name", "path", "url", "repository")
             if getattr(block.model, key, None)),
            (*at, "model"),
        )  # fmt: skip
        if self.is_refused(made.model, where):
            return
        if self.models.notice and (notice := self.models.notice(made.model)):
            self.findings.notice(where, notice)
        known = self.models.scale(made.model) if self.models.scale else None
        declared = made.access.scale if made.access else None
        if None not in {known, declared} and known != declared:
            self.findings.error(
                (*at, "model", "scale"),
                f"'{made.model}' gives {known}x, not {declared}x",
                f"write 'scale: {known}', or leave it out",
            )
        known = known or declared
        if isinstance(block, Denoiser) and known not in {None, 1}:
            self.findings.error(
                where,
                f"the model makes images {known}× larger, and denoising keeps their size",
                "name a model of scale 1, or leave 'model' out",
            )
        elif known == 1 and (made.size.fit or (made.size.scale or 1) > 1):
            self.findings.error(
                (*at, "scale"),
                "the model gives 1x: repeated, it makes nothing larger",
                "leave 'scale' out, or choose another model",
            )

    def is_refused(self, model: str, at: Location) -> bool:
        """Whether the layer above knows something wrong with `model`, which is then said."""
        complaint = self.models.complaint(model) if self.models.complaint else None
        if complaint is not None:
            message, _, hint = complaint.partition("\n")
            self.findings.error(at, message, hint or None)
        return complaint is not None

    def chosen(self, name: str, rule: Rule) -> str | None:
        """The name of the rule's component; None for the default model."""
        if rule.component is not None:
            return self.named(rule.component, ("rules", name, "component"))
        return self.only(("rules", name), f"the rule '{name}'")

    def named(self, wanted: str, at: Location) -> str | None:
        """`wanted`, where it is a component that gives an image."""
        components = self.blocks
        if wanted in components:
            return self._fit(wanted, at)
        if wanted in BUILT_IN:
            self.findings.notice(
                at, f"no component '{wanted}' is written: the built-in one is used"
            )
            return wanted
        if not self.findings.knows(("components", wanted)):  # else it is faulty, and that is said
            named = [name for name in components if not name.startswith(INLINE)]
            hint = did_you_mean(wanted, named)
            known = f"there are: {', '.join(named)}" if named else "there are none"
            self.findings.error(at, f"unknown component '{wanted}'", hint or known)
        return None

    def only(self, at: Location, who: str) -> str | None:
        """The one that is meant where none is named; None for the default model."""
        components = {k: block for k, block in self.blocks.items() if not k.startswith(INLINE)}
        upscalers = [key for key, block in components.items() if isinstance(block, Upscaler)]
        marked = [key for key in upscalers if getattr(components[key], "default", None)]
        candidates = marked or upscalers
        if len(candidates) > 1:
            self.findings.error(
                at,
                f"{who} does not say which component it uses",
                f"add 'component: {candidates[0]}', or mark one with 'default: true'",
                key=True,
            )
        return candidates[0] if len(candidates) == 1 else None

    def _fit(self, component: str, at: Location) -> str | None:
        block = self.blocks[component]
        if isinstance(block, Upscaler | Step):
            return component
        kind = block.task or block.type
        self.findings.error(
            at, f"the component '{component}' ({kind}) does nothing with images here",
            f"tasks are image-upscale, {', '.join(STEPS)}",
        )  # fmt: skip
        return None
