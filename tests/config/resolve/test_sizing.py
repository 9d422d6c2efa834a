"""Where a scale or a size may stand, and which of them counts."""

from collections.abc import Callable

import pytest

from upscaled.config.settings import RuleSettings, Settings
from upscaled.config.show.settings_text import settings_tree, tree_text
from upscaled.recipe import Fit, Recipe

Load = Callable[..., Settings]


def first(load: Load, rule: str, rest: str = "") -> RuleSettings:
    return load(f"rules: {{a: {{watch: in, {rule}}}}}\n{rest}").rules[0]


@pytest.mark.parametrize(
    ("rule", "scale", "fit"),
    [
        ("output: out", None, None),
        ("output: out, scale: 1.5", 1.5, None),
        ("output: {folder: out, scale: 3}", 3, None),
        ("output: {folder: out, width: 3840}", None, Fit(width_px=3840)),
        ("output: {folder: o, width: 8, height: 6}", None, Fit(width_px=8, height_px=6)),
        ("output: {folder: out, short_edge: 9}", None, Fit(short_edge_px=9)),
        ("output: {folder: out, megapixels: 0.5}", None, Fit(megapixels=0.5)),
        (
            "output: {folder: out, long_edge: 4000, only_if_smaller: true}",
            None,
            Fit(long_edge_px=4000, only_if_smaller=True),
        ),
    ],
)
def test_a_rule_says_how_large(load: Load, rule: str, scale: float, fit: Fit) -> None:
    recipe = first(load, rule).recipe
    assert (recipe.scale, recipe.fit) == (scale, fit)


@pytest.mark.parametrize(
    ("component", "scale", "fit"),
    [
        ("scale: 2", 2, None),
        ("params: {scale: 1.5}", 1.5, None),
        ("output: {long_edge: 4000}", None, Fit(long_edge_px=4000)),
        ("output: '${result as image}'", None, None),
    ],
)
def test_a_component_says_it_where_its_rule_does_not(
    load: Load, component: str, scale: float, fit: Fit
) -> None:
    rest = f"component: {{id: net, {component}}}"
    recipe = first(load, "output: out", rest).recipe
    assert (recipe.scale, recipe.fit) == (scale, fit)
    own = first(load, "output: {folder: out, width: 5}", rest).recipe
    assert (own.scale, own.fit) == (None, Fit(width_px=5))


def test_a_rules_own_size_replaces_an_inherited_one(load: Load) -> None:
    settings = load(
        """
        defaults: {output: {long_edge: 4000, only_if_smaller: true, quality: 80}}
        rules:
          a: {watch: /a, output: /out}
          b: {watch: /b, output: {folder: /b-out, megapixels: 12}}
          c: {watch: /c, scale: 2, output: /c-out}
          d: {watch: /d, extends: c, output: {folder: /d-out, width: 7}}
        """
    )
    assert [(rule.recipe.scale, rule.recipe.fit) for rule in settings.rules] == [
        (None, Fit(long_edge_px=4000, only_if_smaller=True)),
        (None, Fit(megapixels=12)),
        (2, None),
        (None, Fit(width_px=7)),
    ]
    assert {rule.recipe.output.quality for rule in settings.rules} == {80}


@pytest.mark.parametrize("rule", ["scale: 1.5, output: o", "output: {folder: o, width: 9}"])
def test_what_is_shown_has_the_size_too(load: Load, rule: str) -> None:
    settings = load(f"rules: {{a: {{watch: in, {rule}}}}}\ncomponent: {{id: net, scale: 2}}")
    again = load(tree_text(settings_tree(settings)))
    assert again.rules[0].recipe == settings.rules[0].recipe


def test_equal_scales_are_one_recipe_and_other_sizes_are_others() -> None:
    same = [Recipe("m", 4), Recipe("m", 4.0)]
    others = [Recipe("m"), Recipe("m", 1.5), Recipe("m", fit=Fit(9)), Recipe("m", fit=Fit(8))]
    assert len({recipe.digest() for recipe in same}) == 1
    assert len({recipe.digest() for recipe in [*same, *others]}) == 5
