"""What pydantic finds wrong, in words for the user and with its place."""

import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from upscaled.config.findings import Findings, dotted
from upscaled.config.grammar.component import Params, Upscaler
from upscaled.config.grammar.model_block import ModelSource
from upscaled.config.grammar.output import Output
from upscaled.config.grammar.rule import HooksBlock, Rule, When
from upscaled.config.grammar.step_components import STEPS
from upscaled.config.grammar.top_level import TAGS, Document
from upscaled.config.grammar.values import InvalidValue
from upscaled.config.problems import did_you_mean, quoted
from upscaled.config.tree import Location, Node, Scalar, find, holds

_NEEDED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "int_parsing_size": "a smaller number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping ('name:' with its keys below it)",
    "model_type": "a mapping ('key: value' lines)",
    "model_attributes_type": "a mapping ('key: value' lines)",
}
_SHAPES = {
    "repository": ("a repository is OWNER/NAME", "for example ai-forever/Real-ESRGAN"),
    "sha256": ("a SHA-256 is 64 hexadecimal digits", "sha256sum FILE prints it"),
}
_HOMES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("output:", Output),
    ("when:", When),
    ("hooks:", HooksBlock),
    ("a rule, or defaults:", Rule),
    ("a component", Upscaler),
    ("params: of a component", Params),
    ("model: of a component", ModelSource),
    ("the top level", Document),
)


def explain(error: ValidationError, findings: Findings) -> list[Location]:
    """Puts every error into `findings`; gives the places of what is wrong."""
    places: list[Location] = []
    for detail in error.errors(include_url=False):
        at = _location(detail["loc"], findings.tree)
        places.append(at)
        if detail["type"] == "extra_forbidden":
            _unknown_key(at, findings)
        else:
            message, hint, offset = _words(detail, at)
            findings.error(at, message, hint, offset=offset)
    return places


def _location(path: Location, tree: Node) -> Location:
    """Pydantic's path without the names of union members, which are no keys of the tree."""
    at: list[str | int] = []
    for step in path:
        if step in TAGS and not holds(find(tree, tuple(at))[0], step):
            continue
        at.append(step)
    return tuple(at)


def _words(detail: ErrorDetails, at: Location) -> tuple[str, str | None, int]:
    context = detail.get("ctx", {})
    kind, value = detail["type"], detail["input"]
    name = str(next((step for step in reversed(at) if isinstance(step, str)), ""))
    if kind == "value_error":
        cause = context["error"]
        known = isinstance(cause, InvalidValue)
        return (str(cause), cause.hint, cause.offset) if known else (str(cause), None, 0)
    if kind in {"greater_than_equal", "less_than_equal"}:
        limit = context.get("ge", context.get("le"))
        side = "at least" if kind.startswith("greater") else "at most"
        return f"'{name}' is {side} {limit:g}, not {value}", None, 0
    if kind == "greater_than":
        return f"'{name}' is more than {context['gt']:g}, not {value}", None, 0
    if kind in {"string_too_short", "string_pattern_mismatch"}:
        message, remedy = _SHAPES.get(name, (f"'{name}' must not be empty", "remove the line"))
        return message, remedy, 0
    if kind == "literal_error":
        words = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        return (
            f"'{name}' is {' or '.join(words)} here, not {quoted(value)}",
            did_you_mean(str(value), words),
            0,
        )
    needed = _NEEDED.get(kind)
    hint = "quote it" if kind == "string_type" and isinstance(value, int | float) else None
    if needed and isinstance(value, str) and "${" in value:
        hint = "a rule gives its files only; write the value itself"
    return (
        (f"'{name}' is {needed}, not {quoted(value)}", hint, 0)
        if needed
        else (f"'{name}': {detail['msg']}", None, 0)
    )


def _unknown_key(at: Location, findings: Findings) -> None:
    key, where = str(at[-1]), at[:-1]
    known = list(_keys_at(where, findings.tree))
    shown = f"in {dotted(where)}" if where else "at the top level"
    hint = did_you_mean(key, known) or _home(key, known)
    if key == "services" and not where:  # else close enough to 'device'
        hint = "this is a file for docker compose; upscaled config init writes one for upscaled"
    findings.error(
        at, f"unknown key '{key}' {shown}", hint or "keys of your own begin with x-", key=True
    )


def _home(key: str, known: list[str]) -> str | None:
    """The parts of the grammar that have this very key."""
    here = set(known)
    homes = [
        shown
        for shown, model in _HOMES
        if set(model.model_fields) != here and key in model.model_fields
    ]
    return f"'{key}' belongs to {' or '.join(homes)}" if homes else None


def _keys_at(where: Location, tree: Node) -> Iterator[str]:
    """The keys that may stand at a location of the canonical tree."""
    model: type[BaseModel] | None = Document
    steps = iter(where)
    if where[:1] == ("components",) and len(where) > 1:
        task = find(tree, (*where[:2], "task"))[0]
        word = task.value if isinstance(task, Scalar) else None
        if isinstance(word, str) and word in STEPS:
            model = STEPS[word]
            next(steps, None)
            next(steps, None)
    for step in steps:
        if model is None:
            return
        field = model.model_fields.get(str(step))
        if field is None:
            return
        if step in {"rules", "components", "workflows", "jobs"}:
            next(steps, None)
        model = _model_of(field.annotation)
    if model is not None:
        yield from model.model_fields


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """The first of our models inside `dict[str, Annotated[X, …] | None]` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in typing.get_args(annotation):
        if found := _model_of(part):
            return found
    return None
