"""The workflows of a document: which one a rule uses, and what that makes of its recipe."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from upscaled.config.findings import SINGLE_WORKFLOW, Findings
from upscaled.config.grammar.component import Foreign
from upscaled.config.grammar.rule import Rule
from upscaled.config.grammar.workflow_block import Workflow
from upscaled.config.problems import did_you_mean
from upscaled.config.resolve.stages import Stages
from upscaled.config.resolve.workflow_builder import StageGraph, WorkflowBuilder
from upscaled.config.tree import Location
from upscaled.recipe import IMAGE_QUALITY, IMAGE_UPSCALE, Recipe


@dataclass(slots=True)
class Flows:
    blocks: Mapping[str, Workflow]
    findings: Findings
    stages: Stages
    _woven: dict[str, StageGraph | None] = field(default_factory=dict)
    _strange: set[str] = field(default_factory=set)

    def weave(self, named: Collection[str | None]) -> None:
        """All of them, so that what is wrong with one that no rule uses is said too.

        `named`: by rules. Others may do what has no meaning here, like those on films.
        """
        wanted = {known for name, known in _aliases(self.blocks).items() if name in named}
        for name in self.blocks.keys() - wanted:
            if stranger := self._stranger(self.blocks[name]):
                self._strange.add(name)
                self.findings.notice(
                    ("workflows", name),
                    f"no rule can use this workflow: '{stranger}' does nothing with images here",
                )
        for name, block in self.blocks.items():
            if name in self._strange:
                continue
            self._woven[name] = WorkflowBuilder(name, block, self.findings, self.stages.made).flow()

    def _stranger(self, block: Workflow) -> str | None:
        """A component of another kind that it uses."""
        steps = [step for job in (block.jobs or {}).values() for step in (job, job.do) if step]
        blocks = self.stages.components.blocks
        names = (step.component for step in steps if step.component)
        return next((name for name in names if isinstance(blocks.get(name), Foreign)), None)

    def flow(self, name: str) -> StageGraph | None:
        """None where it is faulty, which is said already."""
        return self._woven.get(name)

    def single(self, component: str | None) -> StageGraph | None:
        """A component that does something else than upscale, as a workflow of one job."""
        if component is None:
            return None
        at: Location = ("components", component)
        stage = self.stages.made(component, at)
        if stage is None or stage.task == IMAGE_UPSCALE:
            return None
        if stage.task == IMAGE_QUALITY:
            self.findings.error(at, f"'{component}' gives figures, and a rule needs an image",
                                "use 'quality_check:' in the rule", key=True)  # fmt: skip
            return None
        return StageGraph((replace(stage, name=component),), component)

    def chosen(self, rule: Rule, at: Location) -> str | None:
        """The rule's workflow; None where it uses a component."""
        wanted = rule.workflow
        if wanted is None:
            return self._default() if rule.component is None else None
        if rule.component is not None:
            self.findings.error((*at, "component"), "'component' and 'workflow' exclude each other",
                                "keep one", key=True)  # fmt: skip
        named = _aliases(self.blocks)
        if wanted in named:
            return named[wanted]
        if not self.findings.knows(("workflows", wanted)):
            hint = did_you_mean(wanted, named)
            known = f"there are: {', '.join(named)}" if named else "there are none"
            self.findings.error((*at, "workflow"), f"unknown workflow '{wanted}'", hint or known)
        return None

    def _default(self) -> str | None:
        """The only one, or the one that is marked."""
        marked = [name for name, block in self.blocks.items() if block.default]
        candidates = marked or [name for name in self.blocks if name not in self._strange]
        return candidates[0] if len(candidates) == 1 else None


def _aliases(blocks: Mapping[str, Workflow]) -> dict[str, str]:
    """The names under which each may be called: its id, or the `name:` of one without."""
    found = {name: name for name in blocks if name != SINGLE_WORKFLOW}
    alone = blocks.get(SINGLE_WORKFLOW)
    if alone is not None:
        found.setdefault(alone.name or alone.title or "default", SINGLE_WORKFLOW)
        found.setdefault(SINGLE_WORKFLOW, SINGLE_WORKFLOW)
    return found


def with_flow(recipe: Recipe, flow: StageGraph) -> Recipe:
    """`recipe` with the stages; a size that the rule wishes is the last upscaler's to give.

    One job that upscales is the same as its component alone, to the byte.
    """
    stages = list(flow.stages)
    upscalers = [i for i, stage in enumerate(stages) if stage.task == IMAGE_UPSCALE]
    if upscalers and (recipe.scale is not None or recipe.fit is not None):
        last = upscalers[-1]
        stages[last] = replace(stages[last], scale=recipe.scale, fit=recipe.fit)
    if len(stages) == len(upscalers) == 1:
        only = stages[0]
        return replace(
            recipe,
            model=only.model or "",
            scale=only.scale,
            fit=only.fit,
            tile_px=only.tile_px,
            precision=only.precision,
        )
    models = [stages[i].model for i in upscalers] or [s.model for s in stages if s.model]
    return replace(
        recipe,
        model=(models[0] if models else "") or "",
        stages=tuple(stages),
        result=flow.result,
    )
