"""A valid document to settings: paths made absolute, components looked up, defaults put in."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from upscaled.config.findings import SINGLE, Findings
from upscaled.config.grammar import name_template
from upscaled.config.grammar.conditions import NO_CONDITIONS, Conditions
from upscaled.config.grammar.output import Output
from upscaled.config.grammar.rule import Check as CheckBlock
from upscaled.config.grammar.rule import Rule, When
from upscaled.config.grammar.top_level import FOREIGN_KEYS, Document
from upscaled.config.problems import did_you_mean
from upscaled.config.resolve.components import Components, ModelChecks
from upscaled.config.resolve.hook_settings import resolved_hooks
from upscaled.config.resolve.output_options import output_options
from upscaled.config.resolve.paths import NOWHERE, expander
from upscaled.config.resolve.resolved_component import Expand, ResolvedComponent
from upscaled.config.resolve.sizing import sizing
from upscaled.config.resolve.stages import Stages
from upscaled.config.resolve.workflow_builder import StageGraph
from upscaled.config.resolve.workflows import Flows, with_flow
from upscaled.config.settings import (
    DEFAULT_INCLUDE,
    HISTORY_S,
    KEEP_ALIVE_S,
    MAX_ATTEMPTS,
    POLL_S,
    RESCAN_S,
    SETTLE_S,
    Origin,
    RuleSettings,
    Settings,
)
from upscaled.config.tree import Location, find, marks, unshielded
from upscaled.delivery import Check, Delivery, Extra
from upscaled.recipe import IMAGE_QUALITY, Recipe

T = TypeVar("T")
_RULE_NAME_MAX = 64
_DAY_S = 86_400.0
_NAME = Delivery(Path()).name


def resolved(document: Document, findings: Findings, home: Path, models: ModelChecks) -> Settings:
    """What `document` means; what is wrong goes into `findings`."""
    expand = expander(findings, home)
    components = Components(document.components or {}, findings, expand, models)
    stages = Stages(
        components,
        findings,
        _or(document.precision, "auto"),
        allow_shell=bool(document.allow_shell),
    )
    flows = Flows(document.workflows or {}, findings, stages)
    return Resolver(document, findings, expand, components, flows).settings()


@dataclass(slots=True)
class Resolver:
    document: Document
    findings: Findings
    expand: Expand
    components: Components
    flows: Flows

    def settings(self) -> Settings:
        self._note_other_sections()
        for name in self.components.blocks:
            self.components.made(name)
        self.flows.weave({rule.workflow for rule in (self.document.rules or {}).values()})
        if not self.document.rules:
            self.findings.missing(
                ("rules",), "there are no rules, so nothing is watched", "upscaled config init"
            )
        rules = tuple(
            resolved
            for name, rule in (self.document.rules or {}).items()
            if (resolved := self._rule(name, rule))
        )
        memory_bytes, memory_share = _or(self.document.memory, (None, None))
        keep_alive = _or(self.document.keep_alive, KEEP_ALIVE_S)
        history = self._at_least(_DAY_S, _or(self.document.history, HISTORY_S), ("history",))
        metrics = self.document.metrics_file
        return Settings(
            rules=rules,
            device=self._device(),
            precision=_or(self.document.precision, "auto"),
            compile_networks=bool(self.document.compile),
            memory_bytes=memory_bytes,
            memory_share=memory_share,
            keep_alive_s=None if math.isinf(keep_alive) else keep_alive,
            history_s=None if math.isinf(history) else history,
            watch_config=bool(self.document.watch_config),
            notifications=_or(self.document.notifications, "all"),
            metrics_file=self.expand(metrics, ("metrics_file",)) if metrics else None,
            model_access=self.components.access(),
        )

    def _note_other_sections(self) -> None:
        written = self.document.model_fields_set
        for key in [key for key in FOREIGN_KEYS if key in written]:
            self.findings.notice(
                (key,), f"'{key}' has no meaning here: there is no server, a folder is watched"
            )

    def _device(self) -> str | tuple[str, ...]:
        named = tuple(dict.fromkeys(self.document.device or ["auto"]))
        if len(named) > 1 and not all(device.startswith("cuda:") for device in named):
            self.findings.error(
                ("device",), "several devices are named one by one", "write [cuda:0, cuda:1]"
            )
        return named[0] if len(named) == 1 else named

    def _rule(self, name: str, rule: Rule) -> RuleSettings | None:
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
        output = rule.output or Output()
        return RuleSettings(
            name=name,
            roots=self._roots(rule, at),
            recipe=self._recipe(made, rule, at, flow),
            delivery=self._delivery(rule, output, at, flow),
            recursive=_or(rule.recursive, True),
            hidden=_or(rule.hidden, False),
            follow_symlinks=_or(rule.follow_symlinks, False),
            include=tuple(map(unshielded, _or(rule.include, DEFAULT_INCLUDE))),
            exclude=tuple(map(unshielded, _or(rule.exclude, ()))),
            when=_conditions(rule.when),
            allow_chain=_or(rule.allow_chain, False),
            also=_or(rule.also, False),
            settle_s=self._at_least(0, _or(rule.settle, SETTLE_S), (*at, "settle")),
            rescan_s=self._at_least(1, _or(rule.rescan, RESCAN_S), (*at, "rescan")),
            poll_s=self._at_least(0.1, _or(rule.poll, POLL_S), (*at, "poll")),
            require_mount=_demand(rule.require_mount),
            timeout_s=self._timeout(rule, at),
            priority=_or(rule.priority, 0),
            enabled=_or(rule.enabled, True),
            max_attempts=self._attempts(rule, at),
            component=None if component == SINGLE else component,
            workflow=workflow,
            hooks=resolved_hooks(rule.hooks, (*at, "hooks"), self.findings, self.expand),
            origins=self._origins(at),
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
                self.findings.error(where, "the whole file system is no inbox")
            if any(char in written for char in "*?["):
                self.findings.notice(
                    where, f"'{written}' is taken as a name", "patterns go under 'include:'"
                )
            roots.append(root)
        return tuple(dict.fromkeys(roots))

    def _recipe(
        self, made: ResolvedComponent, rule: Rule, at: Location, flow: StageGraph | None
    ) -> Recipe:
        output = rule.output or Output()
        size = sizing(rule, at, made.size, self.findings)
        recipe = Recipe(
            model=made.model,
            scale=size.scale,
            source_limit_mp=_or(rule.source_limit_mp, Recipe(made.model).source_limit_mp),
            tile_px=made.tile_px,
            precision=made.precision or _or(self.document.precision, "auto"),
            fit=size.fit,
            output=output_options(output, at, self.findings),
        )
        return with_flow(recipe, flow) if flow else recipe

    def _delivery(
        self, rule: Rule, output: Output, at: Location, flow: StageGraph | None
    ) -> Delivery:
        name = _or(output.name, _NAME)
        if name_template.always_the_same(name):
            self.findings.notice((*at, "output", "name"), "every result gets this one name",
                                 "put {stem} into it")  # fmt: skip
        success, success_folder = _or(rule.on_success, ("keep", None))
        failure, failure_folder = _or(rule.on_failure, ("keep", None))
        return Delivery(
            folder=self._folder(output, at),
            name=name,
            collision=_or(output.collision, "number"),
            on_success=success,
            success_folder=self._move(success_folder, (*at, "on_success", "move")),
            on_failure=failure,
            failure_folder=self._move(failure_folder, (*at, "on_failure", "move")),
            require_mount=_demand(output.require_mount),
            extras=self._extras(rule, output, at, flow),
            check=self._check(rule.quality_check, (*at, "quality_check")),
        )

    def _extras(
        self, rule: Rule, output: Output, at: Location, flow: StageGraph | None
    ) -> tuple[Extra, ...]:
        found = []
        given = [stage.name for stage in flow.stages if stage.task != IMAGE_QUALITY] if flow else []
        for name, outlet in (rule.outputs or {}).items():
            where = (*at, "outputs", name)
            if name not in given:
                hint = did_you_mean(name, given) or (
                    f"there are: {', '.join(given)}" if given else "name a workflow first"
                )
                self.findings.error(where, f"no job '{name}' of a workflow gives an image here",
                                    hint, key=True)  # fmt: skip
                continue
            found.append(
                Extra(
                    stage=name,
                    folder=self._folder(outlet, where),
                    name=_or(outlet.name, _or(output.name, _NAME)),
                    format=_or(outlet.format, _or(output.format, "same")),
                    quality=outlet.quality if outlet.quality is not None else output.quality,
                )
            )
        return tuple(found)

    def _check(self, block: CheckBlock | None, at: Location) -> Check | None:
        if block is None:
            return None
        policy, folder = _or(block.on_low_quality, ("warn", None))
        extremes = {"min_psnr": 100, "min_ssim": 1, "max_colour_drift": 0}
        for key in [key for key, most in extremes.items() if getattr(block, key) == most]:
            self.findings.notice((*at, key), f"'{key}' is met by no image that was changed at all")
        return Check(
            min_psnr_db=block.min_psnr,
            min_ssim=block.min_ssim,
            max_colour_drift=block.max_colour_drift,
            on_low_quality=policy,
            review_folder=self._move(folder, (*at, "on_low_quality", "review")),
            sidecar=bool(block.sidecar),
            sheet=block.contact_sheet,
        )

    def _folder(self, output: Output, at: Location) -> Path:
        if output.folder is None:
            where = (*at, "output") if self.findings.knows((*at, "output")) else at
            self.findings.missing(
                where, f"the rule '{at[-1]}' has no output folder", "add 'output: FOLDER'"
            )
            return NOWHERE
        return self.expand(output.folder, (*at, "output", "folder"))

    def _move(self, written: str | None, at: Location) -> Path | None:
        return None if written is None else self.expand(written, at)

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

    def _timeout(self, rule: Rule, at: Location) -> float | None:
        return None if rule.timeout is None else self._at_least(1, rule.timeout, (*at, "timeout"))

    def _at_least(self, limit_s: float, value_s: float, at: Location) -> float:
        if value_s < limit_s:
            self.findings.error(at, f"'{at[-1]}' is at least {limit_s:g}s")
        return value_s

    def _origins(self, at: Location) -> dict[str, Origin]:
        node, key = find(self.findings.tree, at)
        found = {
            ".".join(str(step) for step in below): mark.origin
            for below, mark in marks(node)
            if below
        }
        return {"": key.origin, **found}


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


def _demand(written: bool | str | None) -> bool | None:
    return written if isinstance(written, bool) else None


def _or(value: T | None, default: T) -> T:
    return default if value is None else value
