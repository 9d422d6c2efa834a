"""A configuration as a tree in which every value knows where it was written."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from upscaled.config.problems import ConfigProblem, Origin, Severity

Location = tuple[str | int, ...]
"""Keys and indexes from the root, as in pydantic's errors."""


Merge = Literal["", "reset", "override"]


@dataclass(frozen=True, slots=True)
class Text:
    """One file of configuration, as read."""

    path: Path
    name: str
    """As shown to people."""
    content: str

    @property
    def lines(self) -> list[str]:
        # Not splitlines(): it also splits at form feeds, which YAML does not count as lines.
        return self.content.replace("\r\n", "\n").replace("\r", "\n").split("\n")


@dataclass(frozen=True, slots=True)
class Mark:
    """From where to where a value stands; offsets count characters of the text from 0."""

    text: Text = field(repr=False)
    line: int
    column: int
    start: int = 0
    end: int = 0
    merge: Merge = ""
    """What a value does to the one of an earlier file, as compose's tags say."""

    @property
    def origin(self) -> Origin:
        return Origin(self.text.name, self.line, self.column)

    @property
    def written(self) -> str:
        return self.text.content[self.start : self.end]

    def at(self, offset: int) -> "Mark":
        """The place `offset` characters into the value, also over line ends."""
        passed = self.text.content[self.start : self.start + offset]
        newlines = passed.count("\n")
        column = offset - passed.rfind("\n") if newlines else self.column + offset
        return replace(self, line=self.line + newlines, column=column, start=self.start + offset)

    def problem(
        self, message: str, *, hint: str | None = None, severity: Severity = "error"
    ) -> ConfigProblem:
        lines = self.text.lines
        source = lines[self.line - 1] if 0 < self.line <= len(lines) else ""
        return ConfigProblem(
            message, self.text.name, self.line, self.column, source, hint=hint, severity=severity
        )


@dataclass(frozen=True, slots=True)
class Scalar:
    mark: Mark
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Sequence:
    mark: Mark
    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Entry:
    key: Mark
    value: "Node"


@dataclass(frozen=True, slots=True)
class Mapping:
    mark: Mark
    entries: dict[str, Entry]

    def get(self, key: str) -> "Node | None":
        entry = self.entries.get(key)
        return entry.value if entry else None

    def without(self, *keys: str) -> "Mapping":
        kept = {key: entry for key, entry in self.entries.items() if key not in keys}
        return replace(self, entries=kept)

    def having(self, key: str, value: "Node", mark: Mark | None = None) -> "Mapping":
        entry = Entry(mark or value.mark, value)
        return replace(self, entries={**self.entries, key: entry})


Node = Scalar | Sequence | Mapping


_SHIELD = {0xDC00 + byte: 0x10F700 + byte for byte in range(0x80, 0x100)}
_UNSHIELD = {shield: byte for byte, shield in _SHIELD.items()}


def unshielded(text: str) -> str:
    """Text of `plain`, with the bytes that are no UTF-8 as `os.fsdecode` has them."""
    return text.translate(_UNSHIELD)


def plain(node: Node) -> Any:
    """The same as dicts, lists and scalars.

    A variable may hold a path that is not UTF-8. pydantic takes no such text: these bytes are
    shielded as characters of a private plane.
    """
    match node:
        case Scalar(_, str() as text):
            return text.translate(_SHIELD) if not text.isascii() else text
        case Scalar():
            return node.value
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key: plain(entry.value) for key, entry in node.entries.items()}


def children(node: Node) -> Iterator[tuple[str | int, Node]]:
    match node:
        case Sequence():
            yield from enumerate(node.items)
        case Mapping():
            yield from ((key, entry.value) for key, entry in node.entries.items())
        case _:
            return


def find(node: Node, location: Location) -> tuple[Node, Mark]:
    """The deepest node on the way to `location`, and the mark of its key (or of itself).

    A validator may speak of something that was never written (a missing key, or an item of a
    list that was given as one word): then the nearest thing around it is meant.
    """
    mark = node.mark
    for step in location:
        entry = node.entries.get(str(step)) if isinstance(node, Mapping) else None
        if entry:
            node, mark = entry.value, entry.key
        elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            mark = node.mark
        else:
            break
    return node, mark


def marks(node: Node, at: Location = ()) -> Iterator[tuple[Location, Mark]]:
    """Where each value stands, the root included."""
    yield at, node.mark
    for step, child in children(node):
        yield from marks(child, (*at, step))


def pruned(node: Node, location: Location) -> Node:
    """Without the value at `location`; the nearest one around it where there is none such."""
    if not location:
        return node
    step, below = location[0], location[1:]
    if isinstance(node, Mapping) and (entry := node.entries.get(str(step))):
        if not below or not holds(entry.value, below[0]):
            return node.without(str(step))
        return node.having(str(step), pruned(entry.value, below), entry.key)
    if isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
        kept = list(node.items)
        if below and holds(kept[step], below[0]):
            kept[step] = pruned(kept[step], below)
        else:
            del kept[step]
        return replace(node, items=tuple(kept))
    return node


def holds(node: Node, step: str | int) -> bool:
    """Whether `node` has something at a key or index."""
    if isinstance(node, Mapping):
        return str(step) in node.entries
    return isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items)


def overlay(base: Node, top: Node) -> Node:
    """`top` over `base`: mappings are joined key by key, everything else is replaced."""
    if not (isinstance(base, Mapping) and isinstance(top, Mapping)):
        return top
    entries = dict(base.entries)
    for key, entry in top.entries.items():
        below = entries.get(key)
        entries[key] = Entry(entry.key, overlay(below.value, entry.value)) if below else entry
    return Mapping(top.mark, entries)
