"""The several ways to write one thing, brought to one: the canonical tree.

Components, workflows and jobs become mappings by name (collect.py); `output: FOLDER` becomes
`output: {folder: FOLDER}`; rules are completed from `defaults:` and `extends:`; `x-…` is dropped.
"""

from upscaled.config.findings import Findings
from upscaled.config.grammar.block import Sized
from upscaled.config.grammar.top_level import FOREIGN_KEYS
from upscaled.config.problems import ConfigProblem, did_you_mean
from upscaled.config.read.named_blocks import (
    COMPONENTS,
    WORKFLOWS,
    collected,
    inline_components,
    steps,
    workflows,
)
from upscaled.config.tree import Entry, Mapping, Node, Scalar, Sequence, overlay

_EXCLUSIVE = (("component", "workflow"), ("retry", "max_attempts"))
"""Keys that replace each other when a rule is completed from what it builds on."""
_SIZES = frozenset(Sized.model_fields)
"""One way to say how large replaces all others."""
_NOT_INHERITED = ("extends", "enabled", "description")


def canonical(tree: Mapping) -> tuple[Mapping, list[ConfigProblem]]:
    """One file's tree with one shape for everything; rules not yet completed."""
    problems: list[ConfigProblem] = []
    kept = _without_extensions(tree)
    shaped = kept.without("components", "component", "workflows", "workflow")
    components = collected(kept, COMPONENTS, problems)
    if (named := collected(kept, WORKFLOWS, problems)) is not None:
        flows, inline = inline_components(workflows(named, problems))
        shaped = shaped.having("workflows", flows, named.mark)
        if inline:
            known = components.entries if components else {}
            components = Mapping(named.mark, {**known, **inline})
    if components is not None:
        shaped = shaped.having("components", steps(components), components.mark)
    for key in ("rules", "defaults"):
        if node := shaped.get(key):
            mark = shaped.entries[key].key
            shaped = shaped.having(key, _rules(node) if key == "rules" else _rule(node), mark)
    return shaped, problems


def completed(tree: Mapping) -> tuple[Mapping, list[ConfigProblem]]:
    """`tree` with each rule standing for itself: `defaults:`, then `extends:`, then its own."""
    findings = Findings(tree)
    rules = tree.get("rules")
    if not isinstance(rules, Mapping):
        return tree, []
    entries = {
        name: Entry(entry.key, _complete(tree, rules, name, (), findings))
        for name, entry in rules.entries.items()
    }
    mark = tree.entries["rules"].key
    return tree.having("rules", Mapping(rules.mark, entries), mark), findings.errors


def _complete(
    tree: Mapping, rules: Mapping, name: str, below: tuple[str, ...], findings: Findings
) -> Node:
    own = rules.entries[name].value
    if not isinstance(own, Mapping):
        return own
    wanted = own.get("extends")
    base: Node | None = tree.get("defaults")
    if isinstance(wanted, Scalar) and isinstance(wanted.value, str):
        at = ("rules", name, "extends")
        if wanted.value == name or wanted.value in below:
            findings.error(at, f"'{name}' extends itself, by way of '{wanted.value}'")
        elif wanted.value not in rules.entries:
            hint = did_you_mean(wanted.value, rules.entries)
            findings.error(at, f"there is no rule '{wanted.value}' to extend", hint)
        else:
            base = _complete(tree, rules, wanted.value, (*below, name), findings)
    return _over(base, own) if isinstance(base, Mapping) else own


def _over(base: Mapping, own: Mapping) -> Node:
    base = base.without(*_NOT_INHERITED)
    output = own.get("output")
    if "scale" in own.entries or (isinstance(output, Mapping) and _SIZES & set(output.entries)):
        base = _without_size(base)
    for pair in _EXCLUSIVE:
        if any(key in own.entries for key in pair):
            base = base.without(*pair)
    return overlay(base, own)


def _without_size(base: Mapping) -> Mapping:
    output = base.get("output")
    if isinstance(output, Mapping):
        base = base.having("output", output.without(*_SIZES), base.entries["output"].key)
    return base.without("scale")


def _without_extensions(node: Mapping) -> Mapping:
    entries = {
        key: entry if key in FOREIGN_KEYS else Entry(entry.key, _stripped(entry.value))
        for key, entry in node.entries.items()
        if not key.startswith("x-")
    }
    return Mapping(node.mark, entries)


def _stripped(node: Node) -> Node:
    match node:
        case Mapping():
            return _without_extensions(node)
        case Sequence(mark, items):
            return Sequence(mark, tuple(_stripped(item) for item in items))
    return node


def _rules(node: Node) -> Node:
    if not isinstance(node, Mapping):
        return node
    entries = {key: Entry(entry.key, _rule(entry.value)) for key, entry in node.entries.items()}
    return Mapping(node.mark, entries)


def _rule(node: Node) -> Node:
    if not isinstance(node, Mapping):
        return node
    output = node.get("output")
    if isinstance(output, Scalar) and isinstance(output.value, str):
        key = node.entries["output"].key
        folder = Mapping(output.mark, {"folder": Entry(output.mark, output)})
        return node.having("output", folder, key)
    return node
