"""Frozen values to JSON text and back, with names of files that are not UTF-8 intact.

`json` escapes what `os.fsdecode` could not decode (lone surrogates) as ASCII and gives it back,
which neither pydantic nor msgspec do; cattrs checks the shape, so that a child process that went
mad cannot hand over anything but the values it may.
"""

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn
from cattrs.strategies import configure_tagged_union

from upscaled.outcomes import Outcome
from upscaled.recipe import OutputOptions, Recipe
from upscaled.text import printable

__all__ = ["MALFORMED", "dumps", "loads", "make_converter", "printable"]

T = TypeVar("T")

MALFORMED = (
    cattrs.BaseValidationError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RecursionError,
)
"""What else than ValueError comes out of a text that is not of the shape that was asked for."""


def make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_unstructure_hook(Path, str)
    converter.register_structure_hook(Path, lambda value, _: Path(_text(value)))
    converter.register_structure_hook(str, lambda value, _: _text(value))
    configure_tagged_union(Outcome, converter, tag_name="outcome")
    _keep_recipes_flat(converter)
    return converter


def _keep_recipes_flat(converter: cattrs.Converter) -> None:
    """The options of the output lie among the other keys of a recipe, as they do in its digest.

    So they did before they were a value of their own: what an earlier version queued is read as
    it is, and there is one form to read, not one for each version.
    """
    write = make_dict_unstructure_fn(Recipe, converter)
    read = make_dict_structure_fn(Recipe, converter, _cattrs_forbid_extra_keys=True)
    names = {field.name for field in fields(OutputOptions)}

    def flat(recipe: Recipe) -> dict[str, Any]:
        parts: dict[str, Any] = write(recipe)
        options: dict[str, Any] = parts.pop("output")
        return parts | options

    def nested(parts: dict[str, Any], kind: type[Recipe]) -> Recipe:
        own = {key: value for key, value in parts.items() if key not in names}
        if "output" in own:
            raise TypeError("the options of an output are no value of their own here")
        return read(own | {"output": {key: parts[key] for key in names & parts.keys()}}, kind)

    converter.register_unstructure_hook(Recipe, flat)
    converter.register_structure_hook(Recipe, nested)


def _text(value: Any) -> str:
    """What neither the database nor a file's name could hold is refused where it comes in."""
    if not isinstance(value, str):
        raise TypeError(f"not a text: {value!r}")
    os.fsencode(value)
    return value


_converter = make_converter()


def dumps(value: Any) -> str:
    """One line of ASCII JSON; keys sorted, so that equal values give equal text."""
    return json.dumps(_converter.unstructure(value), sort_keys=True)


def loads(text: str | bytes, kind: type[T]) -> T:
    """The value of class `kind`.

    Raises:
        ValueError: the text is not JSON, or not of this shape.
    """
    try:
        return _converter.structure(json.loads(text), kind)
    except MALFORMED as error:
        raise ValueError(f"not a {kind.__name__}: {error}") from error
