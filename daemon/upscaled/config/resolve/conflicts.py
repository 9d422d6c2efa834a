"""What rules do to each other: results that fall into an inbox, names that meet."""

from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

from upscaled.config.findings import Findings
from upscaled.config.resolve.folder_relations import Place
from upscaled.config.resolve.paths import NOWHERE
from upscaled.config.settings import RuleSettings, Settings

PlaceOf = Callable[[Path], Place]


def judge(settings: Settings, findings: Findings, place_of: PlaceOf) -> None:
    """`place_of` gives two names of one folder (symlinks, bind mounts) one place."""
    for rule in settings.rules:
        _refuse_inside(rule, settings, findings, place_of)
    enabled = [rule for rule in settings.rules if rule.enabled]
    for first, second in combinations(enabled, 2):
        _note_same_names(first, second, findings, place_of)
        _note_shadow(first, second, findings, place_of)


def written_folders(rule: RuleSettings) -> Iterator[tuple[tuple[str, ...], Path]]:
    """Where a rule puts files, each with the key that says so."""
    delivery = rule.delivery
    if delivery.folder != NOWHERE:
        yield ("output", "folder"), delivery.folder
    if delivery.success_folder:
        yield ("on_success", "move"), delivery.success_folder
    if delivery.failure_folder:
        yield ("on_failure", "move"), delivery.failure_folder
    for extra in delivery.extras:
        if extra.folder != NOWHERE:
            yield ("outputs", extra.stage), extra.folder
    if delivery.check and delivery.check.review_folder:
        yield ("quality_check", "on_low_quality", "review"), delivery.check.review_folder


def _refuse_inside(
    rule: RuleSettings, settings: Settings, findings: Findings, place_of: PlaceOf
) -> None:
    for key, folder in written_folders(rule):
        for watcher, root, where in _inboxes_around(place_of(folder), settings, place_of):
            passes_on = key in _RESULTS and rule.allow_chain and watcher is not rule
            if passes_on and not _comes_back(watcher, rule, settings, place_of):
                continue
            whose = "its own inbox" if watcher is rule else f"the inbox of '{watcher.name}'"
            findings.error(
                ("rules", rule.name, *key),
                f"{folder} {where} {whose} ({root}): what is put there would come back",
                "choose a folder outside of every inbox"
                if watcher is rule or passes_on or key not in _RESULTS
                else "choose another folder, or write 'allow_chain: true' if that is meant",
            )
            break


_RESULTS = (("output", "folder"),)


def _comes_back(
    start: RuleSettings, rule: RuleSettings, settings: Settings, place_of: PlaceOf
) -> bool:
    """Whether results of `start` reach `rule`, by way of others too."""
    waiting, seen = [start], {start.name}
    while waiting:
        folder = place_of(waiting.pop().delivery.folder)
        for watcher, _, _ in _inboxes_around(folder, settings, place_of):
            if watcher is rule:
                return True
            if watcher.name not in seen:
                seen.add(watcher.name)
                waiting.append(watcher)
    return False


def _inboxes_around(
    target: Place, settings: Settings, place_of: PlaceOf
) -> Iterator[tuple[RuleSettings, Path, str]]:
    """The inboxes, one at most for each rule, that `target` is or lies inside."""
    for watcher in settings.rules:
        for root in watcher.roots:
            inbox = place_of(root)
            # Without recursion, a folder inside the inbox is out of the watcher's sight.
            if target == inbox or (watcher.recursive and target.within(inbox)):
                yield watcher, root, "is" if target == inbox else "lies inside"
                break


def _note_same_names(
    first: RuleSettings, second: RuleSettings, findings: Findings, place_of: PlaceOf
) -> None:
    one, other = first.delivery, second.delivery
    meets = one.name == other.name and "{rule}" not in one.name
    differs = first.recipe != second.recipe or set(first.roots) != set(second.roots)
    if meets and differs and place_of(one.folder) == place_of(other.folder):
        findings.notice(
            ("rules", second.name, "output"),
            f"'{first.name}' and '{second.name}' give their results the same names in one folder",
            "put {rule} or {model} into a 'name:', or use two folders",
        )


def _note_shadow(
    first: RuleSettings, second: RuleSettings, findings: Findings, place_of: PlaceOf
) -> None:
    """`second` gets nothing where `first`, asked before it, takes all that it would take."""
    seen = all(
        any(
            place_of(root) == place_of(above)
            or (first.recursive and place_of(root).within(place_of(above)))
            for above in first.roots
        )
        for root in second.roots
    )
    deeper = second.recursive and not first.recursive
    wider = not first.exclude and not any(p.startswith("!") for p in first.include)
    takes = wider and set(second.include) <= set(first.include)
    if seen and takes and not deeper and (first.hidden or not second.hidden):
        findings.notice(
            ("rules", second.name),
            f"'{second.name}' never gets a file: '{first.name}', which stands above it, takes all",
            f"move '{second.name}' up, or narrow 'include:' of '{first.name}'",
        )
