"""A rule of a valid document to its settings: paths made absolute, defaults put in."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upscaled.config.findings import SINGLE, Findings
from upscaled.config.grammar.conditions import NO_CONDITIONS, Conditions
from upscaled.config.grammar.output import Output
from upscaled.config.grammar.rule import HooksBlock, Rule, When
from upscaled.config.problems import Origin
from upscaled.config.resolve.components import Components
from upscaled.config.resolve.delivery_settings import Deliveries, demanded
from upscaled.config.resolve.output_options import output_options
from upscaled.config.resolve.paths import NOWHERE
from upscaled.config.resolve.resolved_component import Expand, ResolvedComponent
from upscaled.config.resolve.sizing import sizing
from upscaled.config.resolve.workflow_builder import StageGraph
from upscaled.config.resolve.workflows import Flows, with_flow
from upscaled.config.settings import HOOK_TIMEOUT_S, MAX_ATTEMPTS, NO_HOOKS, Hooks, RuleSettings
from upscaled.config.tree import Location, find, marks, unshielded
from upscaled.recipe import Recipe

_RULE_NAME_MAX = 64
_AS_WRITTEN = (
    "recursive",
    "hidden",
    "follow_symlinks",
    "allow_chain",
    "also",
    "priority",
    "enabled",
)
_LEAST_S = {"settle": 0.0, "rescan": 1.0, "poll": 0.1, "timeout": 1.0}


@dataclass(slots=True)
class Rules:
    findings: Findings
    expand: Expand
    components: Components
    flows: Flows
    deliveries: Deliveries
    precision: str
    """Of components that say nothing of theirs."""

    def resolved(self, name: str, rule: Rule) -> RuleSettings:
        at: Location = ("rules", name)
        self._check_name(name, at)
        workflow = self.flows.chosen(rule, at)
        component = None if workflow else self.components.chosen(name, rule)
        made = self.components.made(component) if component else ResolvedComponent()
        if component is None and workflow is None:
            self.components.is_refused(made.model, at)
        flow = self.flows.flow(workflow) if workflow else self.flows.single(component)
        if flow is None and (workflow or rule.workflow):
            # It is faulty, which is said: whether it has these jobs is not known.
            rule = rule.model_copy(update={"outputs": None})
        return RuleSettings(
            name=name,
            roots=self._roots(rule, at),
            recipe=self._recipe(made, rule, at, flow),
            delivery=self.deliveries.delivery(rule, at, flow),
            when=_conditions(rule.when),
            require_mount=demanded(rule.require_mount),
            max_attempts=self._attempts(rule, at),
            component=None if component == SINGLE else component,
            workflow=workflow,
            hooks=resolved_hooks(rule.hooks, (*at, "hooks"), self.findings, self.expand),
            origins=self._origins(at),
            **self._patterns(rule),
            **self._durations(rule, at),
            **rule.written(_AS_WRITTEN),
        )

    def _check_name(self, name: str, at: Location) -> None:
        fits = name[:1] not in {".", "-", ""} and "/" not in name and name.isprintable()
        if not fits or len(name) > _RULE_NAME_MAX or name != name.strip():
            self.findings.error(
                at, f"'{name}' cannot be the name of a rule",
                "letters, digits, - and _ are fine; it stands in commands and file names", key=True,
            )  # fmt: skip

    def _roots(self, rule: Rule, at: Location) -> tuple[Path, ...]:
        if not rule.watch:
            self.findings.missing(at, f"the rule '{at[-1]}' watches nothing", "add 'watch: FOLDER'")
            return (NOWHERE,)
        roots = []
        for index, written in enumerate(rule.watch):
            where = (*at, "watch", index)
            root = self.expand(written, where)
            if root == Path("/"):
                self.findings.error(where, "the whole file system cannot be an inbox")
            if any(char in written for char in "*?["):
                self.findings.notice(
                    where, f"'{written}' is taken as a name", "patterns go under 'include:'"
                )
            roots.append(root)
        return tuple(dict.fromkeys(roots))

    def _recipe(
        self, made: ResolvedComponent, rule: Rule, at: Location, flow: StageGraph | None
    ) -> Recipe:
        size = sizing(rule, at, made.size, self.findings)
        recipe = Recipe(
            model=made.model,
            scale=size.scale,
            tile_px=made.tile_px,
            precision=made.precision or self.precision,
            fit=size.fit,
            output=output_options(rule.output or Output(), at, self.findings),
            **rule.written(("source_limit_mp",)),
        )
        return with_flow(recipe, flow) if flow else recipe

    def _patterns(self, rule: Rule) -> dict[str, Any]:
        written = rule.written(("include", "exclude"))
        return {key: tuple(map(unshielded, patterns)) for key, patterns in written.items()}

    def _durations(self, rule: Rule, at: Location) -> dict[str, Any]:
        return {
            f"{key}_s": at_least(_LEAST_S[key], value_s, (*at, key), self.findings)
            for key, value_s in rule.written(_LEAST_S).items()
        }

    def _attempts(self, rule: Rule, at: Location) -> int:
        retry = rule.retry.max_attempts or rule.retry.max_attempt_count if rule.retry else None
        if retry and rule.max_attempts:
            self.findings.error(
                (*at, "max_attempts"),
                "'retry' and 'max_attempts' are one thing",
                "keep one",
                key=True,
            )
        if rule.retry:
            for key in rule.retry.model_fields_set & {"delay", "backoff", "max_delay"}:
                self.findings.notice(
                    (*at, "retry", key), f"'{key}' has no meaning here: the wait grows by itself"
                )
        return rule.max_attempts or retry or MAX_ATTEMPTS

    def _origins(self, at: Location) -> dict[str, Origin]:
        node, key = find(self.findings.tree, at)
        found = {
            ".".join(str(step) for step in below): mark.origin
            for below, mark in marks(node)
            if below
        }
        return {"": key.origin, **found}


def at_least(limit_s: float, value_s: float, at: Location, findings: Findings) -> float:
    if value_s < limit_s:
        findings.error(at, f"'{at[-1]}' is at least {limit_s:g}s")
    return value_s


def _conditions(when: When | None) -> Conditions:
    if when is None:
        return NO_CONDITIONS
    return Conditions(
        size_bytes=when.size,
        megapixels=when.megapixels,
        width_px=when.width,
        height_px=when.height,
        formats=tuple(dict.fromkeys(when.format or ())),
        gray=when.gray,
        alpha=when.alpha,
        animated=when.animated,
    )


_HOOK_LEAST_S = 0.1


def resolved_hooks(
    block: HooksBlock | None, at: Location, findings: Findings, expand: Expand
) -> Hooks:
    """A program that is named with a folder is a file like any other in the configuration; one
    that is not is looked for in `$PATH` when it is run.
    """
    if block is None:
        return NO_HOOKS

    def command(words: tuple[str, ...] | None, key: str) -> tuple[str, ...]:
        if not words:
            return ()
        program, *arguments = map(unshielded, words)
        if "/" in program:
            program = str(expand(program, (*at, key)))
        return program, *arguments

    timeout_s = HOOK_TIMEOUT_S if block.timeout is None else block.timeout
    if timeout_s < _HOOK_LEAST_S:
        findings.error((*at, "timeout"), f"'timeout' is at least {_HOOK_LEAST_S:g}s")
    return Hooks(
        on_done=command(block.on_done, "on_done"),
        on_failed=command(block.on_failed, "on_failed"),
        on_idle=command(block.on_idle, "on_idle"),
        timeout_s=timeout_s,
    )
