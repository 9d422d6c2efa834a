"""Where a file goes once its header is known: pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from upscaled import rules as matching
from upscaled.config.grammar.conditions import objection
from upscaled.config.settings import RuleSettings
from upscaled.job import ImageInfo, Order


@dataclass(frozen=True, slots=True)
class Route:
    refusal: str | None = None
    """Why the rule it was queued for does not take it; None: it does, and the rest is None too."""
    rule: RuleSettings | None = None
    root: Path | None = None
    """The next rule that takes it, by which of its inboxes."""
    is_nobodys: bool = False
    """No rule takes it: it is looked at again once the rules are others."""


STAY = Route()


def route(active: Sequence[RuleSettings], order: Order, image_info: ImageInfo) -> Route:
    """Whether the rule that `order` was queued for takes such a picture, and if not, which does.

    Patterns are not asked again for that rule: its name was taken when it arrived.
    """
    own = next((rule for rule in active if rule.name == order.rule), None)
    size_bytes = None if order.fingerprint is None else order.fingerprint.size_bytes
    against = None if own is None else objection(own.when, size_bytes, image_info)
    if own is None or against is None:
        return STAY
    if own.also:
        return Route(against.reason)
    others = [rule for rule in active if rule.name != order.rule and not rule.also]
    found = matching.match(others, order.source, size_bytes=size_bytes, image_info=image_info)
    if found.rule is None:
        reasons = [against.reason, *([found.reason] if found.is_near else [])]
        return Route(f"no rule takes it: {'; '.join(reasons)}", is_nobodys=True)
    return Route(f"{against.reason}; rule {found.rule.name} takes it", found.rule, found.root)
