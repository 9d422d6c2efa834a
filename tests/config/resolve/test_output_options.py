"""`output:` of a rule: each key arrives under its own name, and is shown under it."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
import yaml

from upscaled.config.grammar.block import Sized
from upscaled.config.grammar.output import Output
from upscaled.config.problems import ConfigProblems
from upscaled.config.settings import Settings
from upscaled.config.show.settings_text import settings_tree, tree_text
from upscaled.delivery import Delivery
from upscaled.recipe import OutputOptions

Load = Callable[..., Settings]

WRITTEN = {
    "format": "webp",
    "quality": 80,
    "lossless": False,
    "effort": "best",
    "chroma": "4:2:0",
    "metadata": "strip",
    "provenance": False,
    "on_too_large": "downscale",
    "colour_fix": False,
}


def rule(**output: Any) -> str:
    block = {"watch": "in", "output": {"folder": "out", **output}}
    return yaml.safe_dump({"rules": {"a": block}}, sort_keys=False)


def test_each_key_belongs_to_the_options_or_the_size_or_the_delivery() -> None:
    options, delivery = (
        {field.name for field in fields(kind)} for kind in (OutputOptions, Delivery)
    )
    size = set(Sized.model_fields)
    assert options <= set(Output.model_fields)
    assert set(Output.model_fields) - options - size <= delivery
    assert set(WRITTEN) == options


@pytest.mark.parametrize("key", WRITTEN)
def test_a_key_arrives_and_the_others_have_their_defaults(load: Load, key: str) -> None:
    options = load(rule(**{key: WRITTEN[key]})).rules[0].recipe.output
    assert options == OutputOptions(**{key: WRITTEN[key]})
    assert options != OutputOptions()


def test_what_is_shown_is_the_same_configuration(load: Load) -> None:
    settings = load(rule(**WRITTEN))
    shown = settings_tree(settings)
    assert shown["rules"]["a"]["output"].items() >= WRITTEN.items()
    assert load(tree_text(shown)).rules[0].recipe == settings.rules[0].recipe


@pytest.mark.parametrize(
    ("output", "about"),
    [
        ({"format": "png", "quality": 80}, "'quality' has no meaning for png"),
        ({"format": "webp", "quality": 80, "lossless": True}, "beside 'lossless: true'"),
        ({"format": "webp", "chroma": "4:2:0"}, "'chroma' has no meaning for webp"),
    ],
)
def test_what_has_no_meaning_is_noted(load: Load, output: dict[str, Any], about: str) -> None:
    notices = load(rule(**output)).notices
    assert any(about in notice.message for notice in notices)


def test_a_format_that_loses_something_cannot_be_lossless(load: Load) -> None:
    with pytest.raises(ConfigProblems, match="jpeg cannot be lossless"):
        load(rule(format="jpeg", lossless=True))
    assert load(rule(format="webp", lossless=True)).rules[0].recipe.output.lossless
