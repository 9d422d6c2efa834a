"""Where a rule's results go, how they are judged, and what becomes of its sources."""

from dataclasses import dataclass
from pathlib import Path

from upscaled.config.findings import Findings
from upscaled.config.grammar import name_template
from upscaled.config.grammar.output import Output
from upscaled.config.grammar.rule import Check as CheckBlock
from upscaled.config.grammar.rule import Rule
from upscaled.config.problems import did_you_mean
from upscaled.config.resolve.paths import NOWHERE
from upscaled.config.resolve.resolved_component import Expand
from upscaled.config.resolve.workflow_builder import StageGraph
from upscaled.config.tree import Location
from upscaled.delivery import Check, Delivery, Extra
from upscaled.recipe import IMAGE_QUALITY

_NAME = Delivery(Path()).name
_OF_EACH_RESULT = ("name", "format", "quality")


@dataclass(frozen=True, slots=True)
class Deliveries:
    findings: Findings
    expand: Expand

    def delivery(self, rule: Rule, at: Location, flow: StageGraph | None) -> Delivery:
        """`at`: the rule; `flow`: of its workflow, whose jobs may have results of their own."""
        output = rule.output or Output()
        if output.name and name_template.always_the_same(output.name):
            self.findings.notice((*at, "output", "name"), "every result gets this one name",
                                 "put {stem} into it")  # fmt: skip
        success, success_folder = rule.on_success or ("keep", None)
        failure, failure_folder = rule.on_failure or ("keep", None)
        return Delivery(
            folder=self._folder(output, at),
            on_success=success,
            success_folder=self._move(success_folder, (*at, "on_success", "move")),
            on_failure=failure,
            failure_folder=self._move(failure_folder, (*at, "on_failure", "move")),
            require_mount=demanded(output.require_mount),
            extras=self._extras(rule, output, at, flow),
            check=self._check(rule.quality_check, (*at, "quality_check")),
            **output.written(("name", "collision")),
        )

    def _extras(
        self, rule: Rule, output: Output, at: Location, flow: StageGraph | None
    ) -> tuple[Extra, ...]:
        found = []
        shared = {"name": _NAME} | output.written(_OF_EACH_RESULT)
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
            own = shared | outlet.written(_OF_EACH_RESULT)
            found.append(Extra(stage=name, folder=self._folder(outlet, where), **own))
        return tuple(found)

    def _check(self, block: CheckBlock | None, at: Location) -> Check | None:
        if block is None:
            return None
        policy, folder = block.on_low_quality or ("warn", None)
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


def demanded(written: bool | str | None) -> bool | None:
    """`require_mount: auto` is what holds where nothing is written."""
    return written if isinstance(written, bool) else None
