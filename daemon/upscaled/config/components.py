"""The components of a document: which one a rule uses, and what its model is known for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from upscaled.config.component import Expand, Ingredients, ingredients
from upscaled.config.findings import Findings
from upscaled.config.model import Foreign, Rule, Upscaler
from upscaled.config.problems import did_you_mean
from upscaled.config.settings import ModelAccess
from upscaled.config.tree import Location


@dataclass(frozen=True, slots=True)
class ModelOpinion:
    """What the layer above knows of a `Recipe.model`; None where it is not asked."""

    complaint: Callable[[str], str | None] | None = None
    """What is wrong with it; a second line is the hint."""
    scale: Callable[[str], int | None] | None = None
    """Its scale, where that is known without loading it."""
    notice: Callable[[str], str | None] | None = None


@dataclass(slots=True)
class Components:
    blocks: Mapping[str, Upscaler | Foreign]
    findings: Findings
    expand: Expand
    models: ModelOpinion
    _ready: dict[str, Ingredients] = field(default_factory=dict)

    def access(self) -> dict[str, ModelAccess]:
        """By model, of all components that were made."""
        return {made.model: made.access for made in self._ready.values() if made.access}

    def made(self, name: str) -> Ingredients:
        """Of a component that exists; an empty one where it is of another kind."""
        if name in self._ready:
            return self._ready[name]
        at: Location = ("components", name)
        block = self.blocks[name]
        if isinstance(block, Foreign):
            kind = block.task or block.type
            self.findings.notice(at, f"the component '{name}' ({kind}) is not used by any rule")
            return Ingredients()
        made = ingredients(block, at, self.findings, self.expand)
        self._ready[name] = made
        self._check_model(made, block, at)
        return made

    def _check_model(self, made: Ingredients, block: Upscaler, at: Location) -> None:
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
        if known == 1 and (made.size.fit or (made.size.scale or 1) > 1):
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
        components = self.blocks
        at: Location = ("rules", name, "component")
        if rule.component is not None:
            if rule.component not in components:
                if self.findings.knows(("components", rule.component)):
                    return None  # it is faulty, which is said already
                hint = did_you_mean(rule.component, components)
                known = f"there are: {', '.join(components)}" if components else "there are none"
                self.findings.error(at, f"unknown component '{rule.component}'", hint or known)
                return None
            return self._fit(rule.component, at)
        upscalers = [key for key, block in components.items() if isinstance(block, Upscaler)]
        marked = [key for key in upscalers if getattr(components[key], "default", None)]
        candidates = marked or upscalers
        if len(candidates) > 1:
            self.findings.error(
                ("rules", name),
                f"the rule '{name}' does not say which component it uses",
                f"add 'component: {candidates[0]}', or mark one with 'default: true'",
                key=True,
            )
        return candidates[0] if len(candidates) == 1 else None

    def _fit(self, component: str, at: Location) -> str | None:
        block = self.blocks[component]
        if isinstance(block, Upscaler):
            return component
        kind = block.task or block.type
        self.findings.error(
            at, f"the component '{component}' ({kind}) does not upscale images",
            "a rule needs one with 'task: image-upscale'",
        )  # fmt: skip
        return None
