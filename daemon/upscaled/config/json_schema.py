"""The JSON schema of the configuration, for editors: generated from the grammar."""

import ast
import inspect
import json
from itertools import pairwise
from typing import Any

from upscaled.config.grammar import block as shared
from upscaled.config.grammar import (
    component,
    model_block,
    output,
    rule,
    step_components,
    top_level,
    workflow_block,
)
from upscaled.config.grammar.top_level import Document

TITLE = "Configuration of upscaled"
_GRAMMAR = (
    top_level,
    rule,
    output,
    component,
    workflow_block,
    step_components,
    model_block,
    shared,
)
_MODULES = {module.__name__ for module in _GRAMMAR}


def schema() -> dict[str, Any]:
    """Draft 2020-12. It knows the shapes; what belongs together is for `upscaled config check`."""
    made = Document.model_json_schema()
    for name, block in [("", made), *made.get("$defs", {}).items()]:
        _tidy(block)
        _describe(block, name or "Document")
        _allow_variables(block)
    _allow_other_forms(made)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": TITLE,
        **{key: value for key, value in made.items() if key != "title"},
    }


def schema_text() -> str:
    """As committed in `config/upscaled.schema.json`."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _tidy(node: Any) -> None:
    """No generated titles, no default of null; free `x-` keys wherever keys are closed."""
    if isinstance(node, list):
        for item in node:
            _tidy(item)
    if not isinstance(node, dict):
        return
    if isinstance(node.get("title"), str):
        del node["title"]
    if "default" in node and node["default"] is None:
        del node["default"]
    if node.get("additionalProperties") is False:
        node["patternProperties"] = {"^x-": {}}
    for key, value in node.items():
        if key not in {"enum", "const"}:
            _tidy(value)


def _allow_variables(block: dict[str, Any]) -> None:
    """`priority: ${PRIORITY:-5}` is no mistake: before it is filled in, it is text."""
    for part in block.get("properties", {}).values():
        choices = part.get("anyOf", [])
        if choices and not any(choice.get("type") == "string" for choice in choices):
            choices.append({"type": "string", "pattern": r"\$"})


def _describe(block: dict[str, Any], name: str) -> None:
    """The docstrings below the fields of the class."""
    texts = _docstrings(name)
    for field, part in block.get("properties", {}).items():
        if field in texts and isinstance(part, dict):
            part.setdefault("description", texts[field])


def _docstrings(name: str) -> dict[str, str]:
    # pydantic can do this itself (use_attribute_docstrings), but then reads sources at each start.
    found: dict[str, str] = {}
    kind = next(getattr(module, name) for module in _GRAMMAR if hasattr(module, name))
    for parent in [base for base in reversed(kind.__mro__) if base.__module__ in _MODULES]:
        body = ast.parse(inspect.getsource(parent)).body[0]
        statements = body.body if isinstance(body, ast.ClassDef) else []
        for field, text in pairwise(statements):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                found[field.target.id] = " ".join(str(text.value.value).split())
    return found


def _allow_other_forms(made: dict[str, Any]) -> None:
    """What canon.py brings to one form before pydantic sees it: lists, and the single component."""
    properties, blocks = made["properties"], made["$defs"]
    component = {"anyOf": [{"$ref": "#/$defs/Upscaler"}, {"$ref": "#/$defs/Foreign"}]}
    blocks["Upscaler"]["properties"].setdefault("id", {"type": "string"})
    for part in ("type", "task"):
        # A component of another kind must not fail as an upscaler, nor the other way round.
        blocks["Foreign"]["properties"][part] = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    blocks["Foreign"]["anyOf"] = [
        {"required": ["type"], "properties": {"type": {"not": {"const": "model"}}}},
        {"required": ["task"], "properties": {"task": {"not": {"const": "image-upscale"}}}},
    ]
    many = {"type": "array", "items": component}
    properties["components"] = {
        "anyOf": [{"type": "object", "additionalProperties": component}, many, {"type": "null"}]
    }
    properties["component"] = {
        "anyOf": [component, many, {"type": "null"}],
        "description": "The only component, as in model-compose.",
    }
    for step in ("Job", "Each"):
        written = blocks[step]["properties"]["component"]
        written["anyOf"] = [*written["anyOf"], component]
    _allow_lists(blocks["Workflow"]["properties"], blocks["Job"], ("jobs", "job"))
    _allow_lists(properties, blocks["Workflow"], ("workflows", "workflow"))


def _allow_lists(properties: dict[str, Any], block: dict[str, Any], keys: tuple[str, str]) -> None:
    """By name, as a list with `id:`, or the only one under the singular."""
    plural, singular = keys
    block["properties"]["id"] = {"type": "string"}
    one = {"$ref": f"#/$defs/{singular.capitalize()}"}
    many = {"type": "array", "items": one}
    named = {"type": "object", "additionalProperties": one}
    properties[plural] = {**properties[plural], "anyOf": [named, many, {"type": "null"}]}
    properties[singular] = {"anyOf": [one, many, {"type": "null"}], "description": "The only one."}
