"""A valid document to settings: components looked up, rules resolved, defaults put in."""

import math
from dataclasses import dataclass
from pathlib import Path

from upscaled.config.findings import Findings
from upscaled.config.grammar.top_level import FOREIGN_KEYS, Document
from upscaled.config.resolve.components import Components, ModelChecks
from upscaled.config.resolve.delivery_settings import Deliveries
from upscaled.config.resolve.paths import expander
from upscaled.config.resolve.resolved_component import Expand
from upscaled.config.resolve.rule_settings import Rules, at_least
from upscaled.config.resolve.stages import Stages
from upscaled.config.resolve.workflows import Flows
from upscaled.config.settings import HISTORY_S, KEEP_ALIVE_S, Settings

_DAY_S = 86_400.0


def resolved(document: Document, findings: Findings, home: Path, models: ModelChecks) -> Settings:
    """What `document` means; what is wrong goes into `findings`."""
    expand = expander(findings, home)
    components = Components(document.components or {}, findings, expand, models)
    precision = document.precision or "auto"
    stages = Stages(components, findings, precision, allow_shell=bool(document.allow_shell))
    flows = Flows(document.workflows or {}, findings, stages)
    rules = Rules(findings, expand, components, flows, Deliveries(findings, expand), precision)
    return Resolver(document, findings, expand, components, flows, rules).settings()


@dataclass(slots=True)
class Resolver:
    document: Document
    findings: Findings
    expand: Expand
    components: Components
    flows: Flows
    rules: Rules

    def settings(self) -> Settings:
        document, written = self.document, self.document.rules or {}
        self._note_other_sections()
        for name in self.components.blocks:
            self.components.made(name)
        self.flows.weave({rule.workflow for rule in written.values()})
        if not written:
            self.findings.missing(
                ("rules",), "there are no rules, so nothing is watched", "upscaled config init"
            )
        memory_bytes, memory_share = document.memory or (None, None)
        keep_alive_s = KEEP_ALIVE_S if document.keep_alive is None else document.keep_alive
        metrics = document.metrics_file
        return Settings(
            rules=tuple(self.rules.resolved(name, rule) for name, rule in written.items()),
            device=self._device(),
            compile_networks=bool(document.compile),
            memory_bytes=memory_bytes,
            memory_share=memory_share,
            keep_alive_s=_unless_for_ever(keep_alive_s),
            history_s=_unless_for_ever(self._history_s()),
            metrics_file=self.expand(metrics, ("metrics_file",)) if metrics else None,
            model_access=self.components.access(),
            **document.written(("precision", "watch_config", "notifications")),
        )

    def _history_s(self) -> float:
        history_s = HISTORY_S if self.document.history is None else self.document.history
        return at_least(_DAY_S, history_s, ("history",), self.findings)

    def _note_other_sections(self) -> None:
        written = self.document.model_fields_set
        for key in [key for key in FOREIGN_KEYS if key in written]:
            self.findings.notice(
                (key,), f"'{key}' has no meaning here: upscaled has no server; it watches folders"
            )

    def _device(self) -> str | tuple[str, ...]:
        named = tuple(dict.fromkeys(self.document.device or ["auto"]))
        if len(named) > 1 and not all(device.startswith("cuda:") for device in named):
            self.findings.error(
                ("device",), "several devices are named one by one", "write [cuda:0, cuda:1]"
            )
        return named[0] if len(named) == 1 else named


def _unless_for_ever(seconds: float) -> float | None:
    return None if math.isinf(seconds) else seconds
