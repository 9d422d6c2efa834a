"""Results stay known: what a recipe is hashed to never changes."""

import json
from dataclasses import fields, make_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from upscaled import codec, recipe
from upscaled.recipe import Fit, OutputOptions, Recipe, StageRecipe

RELEASED = (Path(__file__).parent / "data" / "recipes-0.1.0.jsonl").read_text(encoding="ascii")
ROWS = [json.loads(line) for line in RELEASED.splitlines()]
OPTIONS = {field.name for field in fields(OutputOptions)}


def built(parts: dict[str, Any]) -> Recipe:
    """Of the keys of version 0.1.0, in which the options lay among the rest."""
    options = {key: parts[key] for key in OPTIONS & parts.keys()}
    own: dict[str, Any] = {key: value for key, value in parts.items() if key not in OPTIONS}
    own["fit"] = own.get("fit") and Fit(**own["fit"])
    own["stages"] = tuple(map(stage, own.get("stages", ())))
    return Recipe(**own, output=OutputOptions(**options))


def stage(parts: dict[str, Any]) -> StageRecipe:
    return StageRecipe(
        **parts
        | {
            "fit": parts["fit"] and Fit(**parts["fit"]),
            "inputs": tuple(parts["inputs"]),
            "command": tuple(parts["command"]),
            "numbers": tuple((name, number) for name, number in parts["numbers"]),
        }
    )


@pytest.mark.parametrize("row", ROWS, ids=[row["digest"][:8] for row in ROWS])
def test_a_recipe_has_the_digest_that_the_first_version_gave_it(row: dict[str, Any]) -> None:
    assert built(row["recipe"]).digest() == row["digest"]


@pytest.mark.parametrize("row", ROWS, ids=[row["digest"][:8] for row in ROWS])
def test_what_the_first_version_stored_is_read_and_still_written(row: dict[str, Any]) -> None:
    """A later version may write more keys, and none of these in another way."""
    assert codec.loads(row["stored"], Recipe) == built(row["recipe"])
    written = json.loads(codec.dumps(built(row["recipe"])))
    stored = json.loads(row["stored"])
    of_stages = zip(written.pop("stages"), stored.pop("stages"), strict=True)
    assert written.items() >= stored.items()
    assert all(now.items() >= before.items() for now, before in of_stages)


def test_the_rows_set_every_key_of_the_first_version() -> None:
    rows = [row["recipe"] for row in ROWS]
    assert set(json.loads(ROWS[0]["stored"])) == set().union(*rows)
    stages = [stage(each) for row in rows for each in row.get("stages", ())]
    default = StageRecipe("")
    for name in {key for row in rows for each in row.get("stages", ()) for key in each}:
        assert any(getattr(each, name) != getattr(default, name) for each in stages), name


@pytest.mark.parametrize("key", sorted(OPTIONS))
def test_another_option_is_another_result(key: str) -> None:
    plain = Recipe("m")
    other: Any = {"quality": 80, "lossless": True}.get(key, "another")
    changed = replace(plain, output=replace(plain.output, **{key: other}))
    assert changed.digest() != plain.digest()


def test_a_new_option_changes_no_digest_until_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    more: Any = make_dataclass("OutputOptions", [("dither", bool, False)], bases=(OutputOptions,),
                               frozen=True, slots=True)  # fmt: skip
    monkeypatch.setitem(recipe._WITH_DEFAULTS, more, recipe._WITH_DEFAULTS[OutputOptions])
    plain = Recipe("m")
    assert replace(plain, output=more()).digest() == plain.digest()
    assert replace(plain, output=more(dither=True)).digest() != plain.digest()


def test_options_and_recipe_share_no_name() -> None:
    """They lie beside each other in the digest and in what is stored."""
    assert OPTIONS.isdisjoint(field.name for field in fields(Recipe))
