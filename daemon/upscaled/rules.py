"""Which rules take a file, and if none does, why: pure, no look at the file itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from upscaled.config.grammar import globs
from upscaled.config.grammar.conditions import objection
from upscaled.config.problems import Origin
from upscaled.config.settings import DEFAULT_INCLUDE, RuleSettings
from upscaled.job import ImageInfo, Order

_DEFAULT_SUFFIXES = tuple(pattern.removeprefix("*") for pattern in DEFAULT_INCLUDE)


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """What one rule says of one file."""

    rule: str
    takes: bool
    reason: str
    origin: Origin | None = None
    """The line of the configuration that decided."""
    is_outside: bool = False
    """The file is in none of its inboxes."""

    def __str__(self) -> str:
        place = f" ({self.origin})" if self.origin else ""
        return f"{self.rule}: {self.reason}{place}"


@dataclass(frozen=True, slots=True)
class Match:
    """`rule` and `root` are None where no rule takes the file; `verdicts` end with the taker."""

    rule: RuleSettings | None
    root: Path | None
    verdicts: tuple[RuleVerdict, ...]

    @property
    def reason(self) -> str:
        """Why it is taken or not, in one line."""
        if self.rule:
            return str(self.verdicts[-1])
        return "; ".join(map(str, self._inside)) or "it lies in no inbox"

    @property
    def is_near(self) -> bool:
        """Whether it lies in an inbox of any rule that was asked."""
        return bool(self._inside)

    @property
    def _inside(self) -> list[RuleVerdict]:
        return [verdict for verdict in self.verdicts if not verdict.is_outside]


def match(
    rules: Sequence[RuleSettings],
    path: Path,
    root: Path | None = None,
    *,
    size_bytes: int | None = None,
    image_info: ImageInfo | None = None,
) -> Match:
    """The first rule, in file order, that takes `path` (absolute, as the watcher named it).

    Inboxes may lie in each other: each rule is asked with each of its roots that holds the file,
    `root` first, so that the answer does not depend on who saw the file. What is not known of
    the file (`size_bytes`, `traits`) keeps no rule from taking it.
    """
    verdicts: list[RuleVerdict] = []
    for rule in rules:
        taken, said = _ask(rule, path, root, size_bytes, image_info)
        verdicts += said
        if taken is not None:
            return Match(rule, taken, tuple(verdicts))
    return Match(None, None, tuple(verdicts))


def takers(
    rules: Sequence[RuleSettings],
    path: Path,
    root: Path | None = None,
    *,
    size_bytes: int | None = None,
    image_info: ImageInfo | None = None,
) -> tuple[Match, ...]:
    """All that take `path`: the first rule that does, and every one with `also:`, in file order."""
    found: list[Match] = []
    is_taken = False
    for rule in rules:
        if is_taken and not rule.also:
            continue
        taken, said = _ask(rule, path, root, size_bytes, image_info)
        if taken is not None:
            found.append(Match(rule, taken, tuple(said)))
            is_taken = is_taken or not rule.also
    return tuple(found)


def _ask(
    rule: RuleSettings,
    path: Path,
    root: Path | None,
    size_bytes: int | None,
    image_info: ImageInfo | None,
) -> tuple[Path | None, list[RuleVerdict]]:
    """The root by which it takes the file, or None; and what it said on the way."""
    said = []
    for candidate in _roots_above(rule, path, root):
        verdict = judge(rule, path, candidate, size_bytes=size_bytes, image_info=image_info)
        said.append(verdict)
        if verdict.takes:
            return candidate, said
    return None, said or [_outside(rule)]


def _outside(rule: RuleSettings) -> RuleVerdict:
    reason, origin = "the file is in none of its inboxes", rule.origins.get("watch")
    return RuleVerdict(rule.name, takes=False, reason=reason, origin=origin, is_outside=True)


def judge(
    rule: RuleSettings,
    path: Path,
    root: Path,
    *,
    size_bytes: int | None = None,
    image_info: ImageInfo | None = None,
) -> RuleVerdict:
    """What `rule` alone says of a file below one of its roots."""
    relative = str(path)[len(_prefix(root)) :]
    parts = relative.split("/")

    def no(reason: str, key: str) -> RuleVerdict:
        return RuleVerdict(rule.name, takes=False, reason=reason, origin=rule.origins.get(key))

    if not rule.enabled:
        return no("the rule is not enabled", "enabled")
    if not rule.recursive and len(parts) > 1:
        return no("it lies in a subfolder, and the rule is not recursive", "recursive")
    hidden = next((part for part in parts if part.startswith(".")), None)
    if hidden is not None and not rule.hidden:
        return no(f"'{hidden}' is hidden", "hidden")
    verdict = _by_patterns(rule, relative)
    if verdict.takes and (why := objection(rule.when, size_bytes, image_info)):
        key = f"when.{why.key}" if f"when.{why.key}" in rule.origins else "when"
        return no(why.reason, key)
    return verdict


def _by_patterns(rule: RuleSettings, relative: str) -> RuleVerdict:
    included, index = True, None
    # The usual case, and 100,000 files at start: one look at the suffix instead of 24 patterns.
    if rule.include != DEFAULT_INCLUDE or not relative.lower().endswith(_DEFAULT_SUFFIXES):
        included, index = globs.deciding(rule.include, relative)
    if not included:
        why = (
            f"'{rule.include[index]}' keeps it out"
            if index is not None
            else "no pattern of include takes it"
        )
        return _verdict(rule, takes=False, reason=why, key="include", index=index)
    excluded, by = globs.deciding(rule.exclude, relative) if rule.exclude else (False, None)
    if excluded and by is not None:
        reason = f"'{rule.exclude[by]}' excludes it"
        return _verdict(rule, takes=False, reason=reason, key="exclude", index=by)
    reason = "takes it" if index is None else f"takes it by '{rule.include[index]}'"
    return _verdict(rule, takes=True, reason=reason, key="include", index=index)


def _verdict(
    rule: RuleSettings, *, takes: bool, reason: str, key: str, index: int | None
) -> RuleVerdict:
    origin = rule.origins.get(f"{key}.{index}") or rule.origins.get(key) or rule.origins.get("")
    return RuleVerdict(rule.name, takes=takes, reason=reason, origin=origin)


@lru_cache(maxsize=256)
def _prefix(root: Path) -> str:
    return f"{root}/" if root != Path("/") else "/"


def _roots_above(rule: RuleSettings, path: Path, first: Path | None) -> list[Path]:
    # The deepest root is the inbox that a person would name.
    # As strings: pathlib takes 40 µs for this, and 100,000 files may lie there at start.
    name = str(path)
    above = [root for root in rule.roots if name.startswith(_prefix(root))]
    if above[1:]:
        above.sort(key=lambda root: (root != first, -len(root.parts)))
    return above


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
    found = match(others, order.source, size_bytes=size_bytes, image_info=image_info)
    if found.rule is None:
        reasons = [against.reason, *([found.reason] if found.is_near else [])]
        return Route(f"no rule takes it: {'; '.join(reasons)}", is_nobodys=True)
    return Route(f"{against.reason}; rule {found.rule.name} takes it", found.rule, found.root)
