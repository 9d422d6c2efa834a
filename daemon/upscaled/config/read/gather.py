"""From files to one tree: read, parse, fill in variables, include, lay one over the other."""

import glob
import os
from collections.abc import Mapping as Table
from collections.abc import Sequence as Several
from dataclasses import dataclass, field
from pathlib import Path

from upscaled.config.grammar.top_level import FOREIGN_KEYS
from upscaled.config.problems import ConfigProblem
from upscaled.config.read import dotenv
from upscaled.config.read.document import parse
from upscaled.config.read.interpolate import interpolate
from upscaled.config.read.normalise import canonical
from upscaled.config.tree import (
    Entry,
    Location,
    Mapping,
    Mark,
    Node,
    Scalar,
    Sequence,
    Text,
    overlay,
    plain,
)

_LARGEST_BYTES = 1_000_000
_JOINED_BY_NAME = ("rules", "components", "workflows")


@dataclass(slots=True)
class Gathered:
    tree: Mapping
    problems: list[ConfigProblem] = field(default_factory=list)
    broken: bool = False
    """A file could not be read or parsed: nothing can be said of what it may have held."""
    files: list[Path] = field(default_factory=list)
    watched: list[Path] = field(default_factory=list)
    """Besides them: files that may appear, and folders of patterns."""


def gather(
    files: Several[Path],
    environment: Table[str, str],
    *,
    env_files: Several[Path] | None = None,
    overrides: Table[str, str] | None = None,
    interpolated: bool = True,
) -> Gathered:
    """The canonical tree of all `files`, a later one laid over an earlier one.

    Variables come from `overrides`, else `environment`, else `env_files` (a later one wins), or
    from the `.env` beside the first file where none are given.
    """
    reader = _ConfigReader(interpolated=interpolated)
    reader.variables = reader.environment(files, environment, env_files, overrides or {})
    trees = [reader.file(Path(path), ()) for path in files]
    merged: Node = trees[0]
    for tree in trees[1:]:
        merged = _over(merged, tree, ())
    merged = _without_resets(merged)
    assert isinstance(merged, Mapping)  # noqa: S101  for the type checker
    return Gathered(merged, reader.problems, reader.broken, reader.files, reader.watched)


class _ConfigReader:
    def __init__(self, *, interpolated: bool) -> None:
        self.interpolated = interpolated
        self.variables: dict[str, str] = {}
        self.problems: list[ConfigProblem] = []
        self.broken = False
        self.files: list[Path] = []
        self.watched: list[Path] = []

    def environment(
        self,
        files: Several[Path],
        environment: Table[str, str],
        env_files: Several[Path] | None,
        overrides: Table[str, str],
    ) -> dict[str, str]:
        if env_files is None:
            beside = Path(files[0]).parent / ".env"
            self.watched.append(beside)
            env_files = [beside] if beside.is_file() else []
        found: dict[str, str] = {}
        for path in env_files:
            text = self._text(Path(path))
            if text is not None:
                more, problems = dotenv.variables(text, {**found, **environment, **overrides})
                found.update(more)
                self.problems += problems
        return {**found, **environment, **overrides}

    def file(self, path: Path, above: tuple[str, ...]) -> Mapping:
        """One file with what it includes; `above` are the files that include it."""
        text = self._text(path)
        if text is None:
            return Mapping(Mark(Text(path, str(path), ""), 1, 1), {})
        parsed = parse(text)
        self.broken |= parsed.broken
        self.problems += parsed.problems
        self.problems += [problem for at, problem in parsed.traps if _is_ours(at)]
        tree = parsed.tree
        if self.interpolated:
            filled = interpolate(
                tree.without(*FOREIGN_KEYS), self.variables, references_at=_may_refer
            )
            self.problems += filled.problems
            tree = Mapping(tree.mark, {**tree.entries, **filled.tree.entries})
        shaped, problems = canonical(tree)
        self.problems += problems
        return self._included(shaped, path, (*above, os.path.realpath(path)))

    def _included(self, tree: Mapping, path: Path, above: tuple[str, ...]) -> Mapping:
        wanted = tree.get("include")
        items = wanted.items if isinstance(wanted, Sequence) else [wanted] if wanted else []
        for item in items:
            if isinstance(item, Scalar) and isinstance(item.value, str):
                for found in self._matching(item.value, item.mark, path):
                    if os.path.realpath(found) in above:
                        self.problems.append(item.mark.problem(f"{found} includes itself"))
                    else:
                        tree = self._joined(tree, self.file(found, above), ())
        return tree.without("include") if wanted is not None and items else tree

    def _matching(self, written: str, mark: Mark, path: Path) -> list[Path]:
        home = self.variables.get("HOME", "~")
        pattern = home + written[1:] if written.startswith("~/") else written
        whole = os.path.join(glob.escape(str(path.absolute().parent)), pattern)  # noqa: PTH118
        if glob.has_magic(pattern):
            self.watched.append(_above_magic(path.absolute().parent / pattern))
            return [Path(found) for found in sorted(glob.glob(whole))]  # noqa: PTH207  ~ and /
        found = path.absolute().parent / pattern
        if found.is_file():
            return [found]
        self.watched.append(found)
        self.problems.append(mark.problem(f"there is no file {found} to include"))
        return []

    def _joined(self, base: Mapping, more: Mapping, at: Location) -> Mapping:
        """Both together; what stands in both is a conflict, never a silent choice."""
        entries = dict(base.entries)
        for key, entry in more.entries.items():
            known = entries.get(key)
            if known is None:
                entries[key] = entry
            elif (
                not at
                and key in _JOINED_BY_NAME
                and isinstance(known.value, Mapping)
                and isinstance(entry.value, Mapping)
            ):
                entries[key] = Entry(known.key, self._joined(known.value, entry.value, (key,)))
            else:
                shown = ".".join([*(str(step) for step in at), key])
                first, second = sorted([known.key, entry.key], key=lambda mark: mark is known.key)
                self.problems.append(
                    first.problem(f"'{shown}' is set twice", hint=f"also in {second.origin}")
                )
        return Mapping(base.mark, entries)

    def _text(self, path: Path) -> Text | None:
        name = _shown(path)
        self.watched.append(path)
        try:
            with path.open("rb") as file:
                raw = file.read(_LARGEST_BYTES + 1)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self._unreadable(name, f"cannot be read: {reason}")
            return None
        if len(raw) > _LARGEST_BYTES:
            self._unreadable(name, "larger than 1 MB; is this a configuration?")
            return None
        self.files.append(path)
        try:
            # utf-8-sig: editors on other systems put a byte order mark in front.
            return Text(path.absolute(), name, raw.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
            self.broken = True
            self.problems.append(ConfigProblem("a byte that is not UTF-8", name, line, column,
                                         hint="save the file as UTF-8"))  # fmt: skip
            return None

    def _unreadable(self, name: str, message: str) -> None:
        self.broken = True
        self.problems.append(ConfigProblem(message, name, hint="upscaled config init writes one"))


def _over(base: Node, top: Node, at: Location) -> Node:
    """As `overlay`, but lists are joined, as compose does when several files are given.

    Its tags are known too: `!override` replaces, `!reset` leaves out what was there.
    """
    if "reset" in {base.mark.merge, top.mark.merge} or top.mark.merge == "override":
        return top
    if isinstance(base, Sequence) and isinstance(top, Sequence):
        known = [plain(item) for item in base.items]
        new = tuple(item for item in top.items if plain(item) not in known)
        return Sequence(top.mark, base.items + new)
    if not (isinstance(base, Mapping) and isinstance(top, Mapping)):
        return overlay(base, top)
    entries = dict(base.entries)
    for key, entry in top.entries.items():
        below = entries.get(key)
        value = _over(below.value, entry.value, (*at, key)) if below else entry.value
        entries[key] = Entry(entry.key, value)
    return Mapping(top.mark, entries)


def _without_resets(node: Node) -> Node:
    match node:
        case Mapping(mark, entries):
            kept = {
                key: Entry(entry.key, _without_resets(entry.value))
                for key, entry in entries.items()
                if entry.value.mark.merge != "reset"
            }
            return Mapping(mark, kept)
        case Sequence(mark, items):
            kept_items = [item for item in items if item.mark.merge != "reset"]
            return Sequence(mark, tuple(map(_without_resets, kept_items)))
    return node


def _above_magic(pattern: Path) -> Path:
    """The deepest folder that is named without a pattern."""
    return next(folder for folder in pattern.parents if not glob.has_magic(str(folder)))


def _is_ours(at: Location) -> bool:
    return at[:1] not in [(key,) for key in FOREIGN_KEYS] and not any(
        isinstance(step, str) and step.startswith("x-") for step in at
    )


def _may_refer(at: Location) -> bool:
    first = str(at[0]) if at else ""
    return first in {"component", "components", "workflow", "workflows"} or first.startswith("x-")


def _shown(path: Path) -> str:
    """As given if short, else from the home folder on."""
    home = os.environ.get("HOME")
    text = str(path)
    return f"~{text.removeprefix(home)}" if home and text.startswith(home + "/") else text
