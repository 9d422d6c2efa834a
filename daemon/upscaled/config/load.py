"""Files to settings, with every problem at once. The one module that strings the steps together."""

import contextlib
import dataclasses
import os
import stat
from collections.abc import Callable, Iterator
from collections.abc import Mapping as Table
from collections.abc import Sequence as Several
from functools import lru_cache, partial
from pathlib import Path

from pydantic import ValidationError

from upscaled.config.findings import Findings
from upscaled.config.grammar.top_level import Document
from upscaled.config.problems import ConfigProblems, in_order
from upscaled.config.read.gather import gather
from upscaled.config.read.normalise import completed
from upscaled.config.resolve import conflicts, folder_relations
from upscaled.config.resolve.components import ModelChecks
from upscaled.config.resolve.settings_builder import resolved
from upscaled.config.settings import DEFAULT_MODEL, RuleSettings, Settings
from upscaled.config.tree import Location, Mapping, plain, pruned
from upscaled.config.validation import explain
from upscaled.delivery import Delivery
from upscaled.filesystem.unresponsive import find_unresponsive
from upscaled.recipe import Recipe

_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"
_ANSWER_S = 5.0
"""For a disk to show a folder: it takes microseconds, or seconds where a disk has to wake up."""
_PRUNINGS_MAX = 8
"""Leaving out a value may show another problem around it; each round leaves out at least one."""


def load_config(
    files: Several[Path],
    *,
    environment: Table[str, str],
    env_files: Several[Path] | None = None,
    overrides: Table[str, str] | None = None,
    check_model: Callable[[str], str | None] | None = None,
    model_scale: Callable[[str], int | None] | None = None,
    model_notice: Callable[[str], str | None] | None = None,
) -> Settings:
    """The settings that `files` (at least one) describe; a later file is laid over an earlier one.

    `environment` is what `${…}` and `~` see; `overrides` (`-e K=V`) win over it, `env_files` give
    way to it and stand in for the `.env` beside the first file.

    What is known of a `Recipe.model` is asked for, since config stands below models: what is wrong
    with it (a second line is the hint), its scale, and what the user should be told of it.

    Raises:
        ConfigProblems: with all of them; nothing is settled.
    """
    gathered = gather(files, environment, env_files=env_files, overrides=overrides)
    if gathered.broken:
        raise ConfigProblems(in_order(gathered.problems), tuple(gathered.watched))
    tree, unfinished = completed(gathered.tree)
    findings = Findings(tree, gathered.problems)
    findings.errors += unfinished
    document = _valid(tree, findings)
    opinion = ModelChecks(check_model, model_scale, model_notice)
    home = environment.get("HOME") or os.path.expanduser("~")  # noqa: PTH111  never raises
    settings = resolved(document, findings, Path(home), opinion)
    _look(settings, findings)
    problems = in_order([*gathered.problems, *findings.errors])
    if problems:
        raise ConfigProblems(problems, tuple(gathered.watched))
    return dataclasses.replace(
        settings,
        source_files=tuple(gathered.files),
        watched=tuple(dict.fromkeys(gathered.watched)),
        notices=in_order(findings.notices),
    )


def default_settings(home: Path) -> Settings:
    """What `upscaled up` does without any configuration."""
    folder = home / "Upscale"
    photos = RuleSettings(
        name="photos",
        roots=(folder / "inbox",),
        recipe=Recipe(model=DEFAULT_MODEL),
        delivery=Delivery(folder=folder / "outbox"),
    )
    return Settings(rules=(photos,))


def _valid(tree: Mapping, findings: Findings) -> Document:
    """The document, without what is wrong in it: so that the rest is judged in the same run."""
    for _ in range(_PRUNINGS_MAX):
        try:
            with _without_plugins():
                return Document.model_validate(plain(tree))
        except ValidationError as error:
            # From the end, so that indexes of lists stay right.
            for at in sorted(explain(error, findings), key=_in_lists, reverse=True):
                findings.prune(at)
                kept = pruned(tree, at)
                tree = kept if isinstance(kept, Mapping) else tree
    return Document()


@contextlib.contextmanager
def _without_plugins() -> Iterator[None]:
    """Pydantic looks for plugins in every installed package (30 ms) when it builds a model."""
    given = os.environ.get(_PLUGINS)
    os.environ[_PLUGINS] = "__all__"
    try:
        yield
    finally:
        if given is None:
            del os.environ[_PLUGINS]
        else:
            os.environ[_PLUGINS] = given


def _in_lists(at: Location) -> tuple[tuple[str, int], ...]:
    return tuple((step, 0) if isinstance(step, str) else ("", step) for step in at)


def _look(settings: Settings, findings: Findings) -> None:
    """What only the file system can tell."""
    mounted = folder_relations.read_mounts()
    named = [folder for rule in settings.rules for folder in _folders_of(rule)]
    dead = find_unresponsive(named, _ANSWER_S)

    @lru_cache
    def place(folder: Path) -> folder_relations.Place:
        # By its name alone, where its disk does not answer.
        return folder_relations.place(folder, mounted, is_real=folder in dead)

    conflicts.judge(settings, findings, place)
    look = partial(_look_at, findings=findings, dead=dead)
    for rule in settings.rules:
        for index, root in enumerate(rule.roots):
            look(root, ("rules", rule.name, "watch", index), expected=True)
        for key, folder in conflicts.written_folders(rule):
            look(folder, ("rules", rule.name, *key))


def _folders_of(rule: RuleSettings) -> list[Path]:
    return [*rule.roots, *(folder for _, folder in conflicts.written_folders(rule))]


def _look_at(
    folder: Path,
    at: Location,
    *,
    findings: Findings,
    dead: frozenset[Path],
    expected: bool = False,
) -> None:
    if folder in dead:
        findings.notice(at, f"the disk of {folder} does not answer")
        return
    try:
        mode = folder.stat().st_mode
    except FileNotFoundError:
        if expected:
            findings.notice(at, f"{folder} does not exist yet")
    except OSError as error:
        findings.notice(at, f"{folder} cannot be looked at: {error.strerror}")
    else:
        if not stat.S_ISDIR(mode):
            findings.error(at, f"{folder} is a file, not a folder")
