"""Which commands of the user are told what, and when: pure."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from upscaled.config.settings import NO_HOOKS, Hooks
from upscaled.job import Order
from upscaled.outcomes import Done, Outcome

SCHEMA_VERSION = 1
"""Of what stands on stdin; keys are only ever added."""
_REASON_MOST = 2_000
"""The kernel takes 128 KiB for one variable; a reason can quote a whole file name and more."""
_VARIABLES = ("event", "rule", "job", "file", "output", "reason")


@dataclass(frozen=True, slots=True)
class Call:
    """One command that is due."""

    rule: str
    event: str
    """`done`, `failed` or `idle`."""
    command: tuple[str, ...]
    timeout_s: float
    told: Mapping[str, Any] = field(default_factory=dict)
    """What it gets as JSON on stdin."""

    @property
    def name(self) -> str:
        """As the configuration has it."""
        return f"on_{self.event} of rule {self.rule}"

    def stdin(self) -> bytes:
        r"""One line of ASCII; bytes of names that are no UTF-8 as `\udcXX` (PEP 383)."""
        return json.dumps(self.told).encode() + b"\n"

    def variables(self) -> dict[str, str]:
        """Beside the environment of the daemon; all are set, those without a meaning are empty."""
        words = {name: self.told.get(name) for name in _VARIABLES}
        return {
            f"UPSCALED_{name.upper()}": "" if word is None else str(word).replace("\0", "\\0")
            for name, word in words.items()
        }


class Listeners:
    """What ended, told to the hooks of its rule. Lives in the supervisor's main thread."""

    def __init__(self) -> None:
        self._ended: dict[str, Counter[str]] = {}
        """By rule, since it was idle."""

    def ended(self, hooks: Hooks, order: Order, outcome: Outcome) -> Iterator[Call]:
        """`outcome` is what ended the job for good, and was committed."""
        event = "done" if isinstance(outcome, Done) else "failed"
        self._ended.setdefault(order.rule, Counter())[event] += 1
        command = hooks.on_done if event == "done" else hooks.on_failed
        if command:
            told = _told(event, order.rule) | _of_job(order, outcome)
            yield Call(order.rule, event, command, hooks.timeout_s, told)

    def idle(self, hooks: Mapping[str, Hooks], *, is_idle: Callable[[str], bool]) -> Iterator[Call]:
        """Rules that have come to the end of what they had, once each time."""
        for rule in list(self._ended):
            wish = hooks.get(rule, NO_HOOKS)
            if wish.on_idle and not is_idle(rule):
                continue
            counts = self._ended.pop(rule)
            if wish.on_idle:
                told = _told("idle", rule) | {"done": counts["done"], "failed": counts["failed"]}
                yield Call(rule, "idle", wish.on_idle, wish.timeout_s, told)


def _told(event: str, rule: str) -> dict[str, Any]:
    return {"schema_version": SCHEMA_VERSION, "event": event, "rule": rule}


def _of_job(order: Order, outcome: Outcome) -> dict[str, Any]:
    told: dict[str, Any] = {
        "job": order.job_id,
        "file": str(order.source),
        "attempt": order.attempt,
        "model": order.recipe.model,
    }
    if not isinstance(outcome, Done):
        reason = getattr(outcome, "reason", None)
        hint = getattr(outcome, "hint", None)
        return told | {"reason": reason and reason[:_REASON_MOST], "hint": hint}
    result = outcome.result
    return told | {
        "output": str(result.path),
        "sha256": result.sha256,
        "width_px": result.width_px,
        "height_px": result.height_px,
        "scale": result.scale,
        "content_sha256": outcome.content_sha256,
        "duplicate_of": outcome.duplicate_of,
        "notes": list(outcome.notes),
        "figures": dict(outcome.figures),
        "timings": asdict(outcome.timings),
    }
