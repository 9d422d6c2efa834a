"""YAML text to a tree with marks; nothing in it is interpreted yet.

Duplicate keys, tabs, ambiguous words, several documents, tags and endless aliases are problems
here, where PyYAML by itself keeps the last, guesses, or runs out of memory.
"""

from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, ScalarNode, SequenceNode

from upscaled.config.problems import ConfigProblem
from upscaled.config.read.scalars import trap, typed
from upscaled.config.read.syntax import syntax_problem
from upscaled.config.tree import (
    Entry,
    Location,
    Mapping,
    Mark,
    Merge,
    Node,
    Scalar,
    Sequence,
    Text,
)

_NODES_MAX = 20_000
"""An alias counts each time it is used: a "billion laughs" ends here."""
_DEPTH_MAX = 50
_PLAIN = "plain"
_CORE = "tag:yaml.org,2002:"
_MERGES: dict[str, Merge] = {"!reset": "reset", "!override": "override"}
_CAST = {"str": str, "int": int, "float": float, "bool": bool, "null": type(None)}


@dataclass(slots=True)
class Parsed:
    tree: Mapping
    problems: list[ConfigProblem] = field(default_factory=list)
    traps: list[tuple[Location, ConfigProblem]] = field(default_factory=list)
    """Ambiguous words by place; whether they matter depends on the section."""
    broken: bool = False
    """Nothing is known of the file: the tree is empty because it could not be parsed."""


def parse(text: Text) -> Parsed:
    """The tree of `text`; on a syntax error an empty one and the problem."""
    empty = Mapping(Mark(text, 1, 1), {})
    try:
        return _parsed(text, empty)
    except yaml.MarkedYAMLError as error:
        problem = syntax_problem(text, error)
    except yaml.reader.ReaderError as error:
        code = ord(text.content[error.position])
        mark = empty.mark.at(error.position)
        problem = mark.problem(f"a character (U+{code:04X}) that YAML does not allow")
    except _TooMuch as error:
        problem = error.mark.problem(str(error))
    except RecursionError:
        problem = empty.mark.problem("nested too deeply to be read")
    return Parsed(empty, [problem], broken=True)


class _Loader(yaml.SafeLoader):
    """Composes nodes; implicit types are ours (scalars.py)."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:  # noqa: ARG002  PyYAML's
        if kind is ScalarNode:
            return _PLAIN if implicit[0] else f"{_CORE}str"
        return f"{_CORE}seq" if kind is SequenceNode else f"{_CORE}map"


class _TooMuch(Exception):
    def __init__(self, message: str, mark: Mark) -> None:
        super().__init__(message)
        self.mark = mark


def _parsed(text: Text, empty: Mapping) -> Parsed:
    loader = _Loader(text.content)
    try:
        if not loader.check_node():
            return Parsed(empty)
        root, further = loader.get_node(), None
        if loader.check_node():
            further = loader.get_node()
    finally:
        loader.dispose()
    if root is None:
        return Parsed(empty)
    builder = _Builder(text)
    tree = builder.node(root, ())
    if further is not None:
        builder.complain(
            further,
            "a second YAML document; one file holds one configuration",
            "remove the '---' above it, or make it a file of its own and give both with --config",
        )
    if isinstance(tree, Mapping):
        return Parsed(tree, builder.problems, builder.traps)
    if not (isinstance(tree, Scalar) and tree.value is None):
        builder.complain(root, "a configuration is made of 'key: value' lines", _spacing(tree))
    return Parsed(empty, builder.problems, broken=bool(builder.problems))


def _spacing(node: Node) -> str | None:
    words = str(node.value) if isinstance(node, Scalar) else ""
    return "put a space after the colon" if ":" in words else None


class _Builder:
    """Walks composed nodes once, collecting what is wrong on the way."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.problems: list[ConfigProblem] = []
        self.traps: list[tuple[Location, ConfigProblem]] = []
        self._count = 0
        self._open: list[int] = []

    def complain(self, node: yaml.Node, message: str, hint: str | None = None) -> None:
        self.problems.append(self.mark(node).problem(message, hint=hint))

    def mark(self, node: yaml.Node) -> Mark:
        at, end = node.start_mark, node.end_mark
        merge: Merge = _MERGES.get(node.tag, "")
        return Mark(self.text, at.line + 1, at.column + 1, at.index, end.index, merge)

    def node(self, node: yaml.Node, at: Location) -> Node:
        self._count += 1
        if self._count > _NODES_MAX:
            raise _TooMuch(
                "more values than a configuration has; too many aliases?", self.mark(node)
            )
        if id(node) in self._open:
            self.complain(node, "an anchor that contains itself")
            return Scalar(self.mark(node), None)
        if len(self._open) >= _DEPTH_MAX:
            raise _TooMuch("nested too deeply to be read", self.mark(node))
        self._open.append(id(node))
        try:
            return self._built(node, at)
        finally:
            self._open.pop()

    def _built(self, node: yaml.Node, at: Location) -> Node:
        if isinstance(node, ScalarNode):
            return self._scalar(node, at)
        kind = "map" if isinstance(node, MappingNode) else "seq"
        if node.tag != _CORE + kind and node.tag not in _MERGES:
            self._refuse_tag(node)
        if isinstance(node, MappingNode):
            return self._mapping(node, at)
        items = tuple(self.node(item, (*at, index)) for index, item in enumerate(node.value))
        return Sequence(self.mark(node), items)

    def _scalar(self, node: ScalarNode, at: Location) -> Scalar:
        mark = self.mark(node)
        if mark.merge == "reset":
            return Scalar(mark, None)
        if node.tag == _PLAIN or (mark.merge and node.style is None):
            if ambiguous := trap(node.value):
                message, hint = ambiguous
                self.traps.append((at, mark.problem(message, hint=hint)))
            return Scalar(mark, typed(node.value))
        wanted = _CAST.get(node.tag.removeprefix(_CORE))
        if wanted is str or mark.merge:
            return Scalar(mark, self._whole(node))
        value = typed(node.value)
        if wanted is None:
            self._refuse_tag(node)
        elif wanted is float and type(value) is int:
            value = float(value)
        elif type(value) is not wanted:
            self.complain(node, f"'{node.value}' is not what its tag says")
        return Scalar(mark, value)

    def _whole(self, node: ScalarNode) -> str:
        r"""Escapes like JSON's "\ud83d\ude00" are halves of one character."""
        text: str = node.value
        if not any("\ud800" <= char <= "\udfff" for char in text):
            return text
        try:
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            self.complain(node, "half a character, which is none", "write \\U and eight digits")
            return ""

    def _refuse_tag(self, node: yaml.Node) -> None:
        tag = node.tag.replace(_CORE, "!!")
        self.complain(
            node, f"a tag ({tag}), which has no meaning here", "quote the value if text is meant"
        )

    def _mapping(self, node: MappingNode, at: Location) -> Mapping:
        entries: dict[str, Entry] = {}
        merges: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self.complain(key_node, "a key that is not one word", 'quote it: "{stem}.{ext}"')
            elif key_node.tag == _PLAIN and key_node.value == "<<":
                merges.append(value_node)
            else:
                self._entry(entries, key_node, value_node, at)
        for merged in merges:
            self._merge(entries, merged, at)
        return Mapping(self.mark(node), entries)

    def _entry(
        self, entries: dict[str, Entry], key: ScalarNode, value: yaml.Node, at: Location
    ) -> None:
        # Keys are always text: a rule may be called no, 012 or 2024-01-01 without quotes.
        name = self._whole(key)
        if not name:
            self.complain(key, "a value without a key before the colon")
        elif name in entries:
            first = entries[name].key.line
            self.complain(
                key, f"the key '{name}' stands here twice", f"it is in line {first} already"
            )
        else:
            entries[name] = Entry(self.mark(key), self.node(value, (*at, name)))

    def _merge(self, entries: dict[str, Entry], node: yaml.Node, at: Location) -> None:
        """`<<`: what is written here wins over what is merged, and an earlier one over a later."""
        for source in node.value if isinstance(node, SequenceNode) else [node]:
            if not isinstance(source, MappingNode):
                self.complain(source, "'<<' merges mappings only", "write: <<: *anchor")
                continue
            merged = self.node(source, at)
            for name, entry in merged.entries.items() if isinstance(merged, Mapping) else ():
                entries.setdefault(name, entry)
