"""Things with names, however they were written: a mapping, a list with `id:`, or one alone."""

from dataclasses import dataclass, replace

from upscaled.config.findings import INLINE, SINGLE, SINGLE_JOB, SINGLE_WORKFLOW
from upscaled.config.grammar.step_components import ALIASES, STEPS
from upscaled.config.problems import ConfigProblem
from upscaled.config.tree import Entry, Mapping, Node, Scalar, Sequence


@dataclass(frozen=True, slots=True)
class Kind:
    plural: str
    singular: str
    alone: str
    """The name of the only one, where it has none."""
    made_of: str


COMPONENTS = Kind("components", "component", SINGLE, "model, scale …")
WORKFLOWS = Kind("workflows", "workflow", SINGLE_WORKFLOW, "jobs")
_JOBS = Kind("jobs", "job", SINGLE_JOB, "component and input")


def collected(tree: Mapping, kind: Kind, problems: list[ConfigProblem]) -> Mapping | None:
    """Every one of `kind` in `tree` by name; None where there are none."""
    named: dict[str, Entry] = {}
    first = None
    for key in (kind.plural, kind.singular):
        entry = tree.entries.get(key)
        if entry is None or (isinstance(entry.value, Scalar) and entry.value.value is None):
            continue
        first = first or replace(entry.key, merge=entry.value.mark.merge)
        for name, found in _named(key, entry.value, kind, problems):
            if name in named:
                earlier = named[name].key.origin
                problems.append(
                    found.key.problem(
                        f"a second {kind.singular} '{name}'", hint=f"first: {earlier}"
                    )
                )
            else:
                named[name] = found
    return Mapping(first, named) if first else None


def workflows(named: Mapping, problems: list[ConfigProblem]) -> Mapping:
    """Each with its jobs by name."""
    entries = {
        name: Entry(entry.key, _with_jobs(entry.value, problems))
        for name, entry in named.entries.items()
    }
    return Mapping(named.mark, entries)


def inline_components(named: Mapping) -> tuple[Mapping, dict[str, Entry]]:
    """`named` workflows with names where a job holds a whole component, and these by name."""
    found: dict[str, Entry] = {}

    def lifted(node: Node, at: str) -> Node:
        if not isinstance(node, Mapping):
            return node
        entry = node.entries.get("component")
        if entry is not None and isinstance(entry.value, Mapping):
            name = f"{at}.component"
            found[name] = Entry(entry.key, entry.value.without("id"))
            node = node.having("component", Scalar(entry.value.mark, name), entry.key)
        if (each := node.entries.get("do")) is not None:
            node = node.having("do", lifted(each.value, f"{at}.do"), each.key)
        return node

    entries = dict(named.entries)
    for flow, entry in named.entries.items():
        jobs = entry.value.get("jobs") if isinstance(entry.value, Mapping) else None
        if isinstance(entry.value, Mapping) and isinstance(jobs, Mapping):
            kept = {
                job: Entry(step.key, lifted(step.value, f"{INLINE}{flow}.jobs.{job}"))
                for job, step in jobs.entries.items()
            }
            shaped = entry.value.having("jobs", Mapping(jobs.mark, kept), jobs.mark)
            entries[flow] = Entry(entry.key, shaped)
    return Mapping(named.mark, entries), found


def _with_jobs(node: Node, problems: list[ConfigProblem]) -> Node:
    if not isinstance(node, Mapping):
        return node
    jobs = collected(node, _JOBS, problems)
    shaped = node.without("jobs", "job")
    return shaped if jobs is None else shaped.having("jobs", jobs, jobs.mark)


def steps(named: Mapping) -> Mapping:
    """Components that do something else than upscale: their parameters in one place."""
    entries = {name: Entry(entry.key, _step(entry.value)) for name, entry in named.entries.items()}
    return Mapping(named.mark, entries)


def _step(node: Node) -> Node:
    if not isinstance(node, Mapping):
        return node
    task = node.get("task")
    kind = _word(node.get("type"))
    if task is None and (kind == "image-upscale" or ALIASES.get(kind or "", kind) in STEPS):
        # The short form: `type: image-upscale` for `type: model` with that task.
        written = node.entries["type"]
        task = Scalar(written.value.mark, kind)
        node = node.without("type").having("task", task, written.key)
    word = _word(task)
    if task is None or word is None or ALIASES.get(word, word) not in STEPS:
        return node
    node = node.having("task", Scalar(task.mark, ALIASES.get(word, word)), node.entries["task"].key)
    for key in ("action", "actions", "params"):
        node = _lifted(node, key)
    return node


def _lifted(node: Mapping, key: str) -> Mapping:
    """What stands below `key`, one level up; what is there already wins."""
    below = node.get(key)
    if isinstance(below, Sequence) and len(below.items) == 1:
        below = below.items[0]
    if not isinstance(below, Mapping):
        return node
    kept = below.without("id")
    return Mapping(node.mark, {**kept.entries, **node.without(key).entries})


def _word(node: Node | None) -> str | None:
    value = node.value if isinstance(node, Scalar) else None
    return value if isinstance(value, str) else None


def _named(
    key: str, node: Node, kind: Kind, problems: list[ConfigProblem]
) -> list[tuple[str, Entry]]:
    if isinstance(node, Sequence):
        alone = len(node.items) == 1
        return [pair for item in node.items for pair in _item(item, kind, problems, alone=alone)]
    if key == kind.singular:
        return _item(node, kind, problems, alone=True)
    if not isinstance(node, Mapping):
        problems.append(
            node.mark.problem(f"{kind.plural} are a mapping by name, or a list with 'id:'")
        )
        return []
    return [
        (name, Entry(entry.key, _unnamed(entry.value, name, kind, problems)))
        for name, entry in node.entries.items()
    ]


def _item(
    node: Node, kind: Kind, problems: list[ConfigProblem], *, alone: bool
) -> list[tuple[str, Entry]]:
    if not isinstance(node, Mapping):
        problems.append(node.mark.problem(f"a {kind.singular} is a mapping with {kind.made_of}"))
        return []
    written = node.entries.get("id")
    if written is None:
        if alone:
            return [(kind.alone, Entry(node.mark, node))]
        problems.append(
            node.mark.problem(f"a {kind.singular} without a name", hint="add 'id: NAME'")
        )
        return []
    if not isinstance(written.value, Scalar) or not isinstance(written.value.value, str):
        problems.append(written.value.mark.problem("an id is a name", hint="quote it"))
        return []
    return [(written.value.value, Entry(written.value.mark, node.without("id")))]


def _unnamed(node: Node, name: str, kind: Kind, problems: list[ConfigProblem]) -> Node:
    written = node.get("id") if isinstance(node, Mapping) else None
    if not isinstance(node, Mapping) or written is None:
        return node
    if not (isinstance(written, Scalar) and written.value == name):
        problems.append(written.mark.problem(f"the {kind.singular} is called '{name}' already"))
    return node.without("id")
