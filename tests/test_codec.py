"""Frozen values to text and back, whatever the names of files are."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upscaled import codec
from upscaled.delivery import Delivery
from upscaled.outcomes import Timings
from upscaled.recipe import OutputOptions, Recipe

SURROGATES = st.text(st.characters(categories=("L", "N", "P", "Z", "Cs", "Cc")))


def test_a_value_comes_back_as_it_was() -> None:
    for value in (
        Recipe("m", 4, 64, "fp32", output=OutputOptions("png", quality=90, effort="best")),
        Recipe("m"),
        Delivery(Path("/out/caf\udce9\n"), success_folder=Path("/x")),
        Timings(0.1, 0.2, 0.3, 0.4),
    ):
        assert codec.loads(codec.dumps(value), type(value)) == value


def test_text_is_one_line_of_ascii_with_sorted_keys() -> None:
    text = codec.dumps(Recipe("caf\udce9\n日本"))
    assert text.isascii()
    assert "\n" not in text
    assert text == codec.dumps(codec.loads(text, Recipe))
    assert text.index('"format"') < text.index('"model"') < text.index('"scale"')


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "[]", "null", "{}", '{"model": "m", "more": 1}', '{"model": 3}', "[" * 99999],
)
def test_what_is_not_of_this_shape_is_a_valueerror(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        codec.loads(text, Recipe)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("日本 \U0001f600", "日本 \U0001f600"),
        ("caf\udce9.png", "caf\\xe9.png"),
        ("\ud800", "\\ud800"),
        ("caf\udce9 \ud800", "caf\\udce9 \\ud800"),
    ],
)
def test_printable_text_shows_the_bytes_that_are_no_utf8(text: str, shown: str) -> None:
    assert codec.printable(text) == shown


@settings(deadline=None)
@given(SURROGATES)
def test_printable_text_can_always_be_encoded(text: str) -> None:
    codec.printable(text).encode("utf-8")


@settings(deadline=None)
@given(st.binary(min_size=1))
def test_the_digest_of_a_recipe_holds_for_any_model_path(raw: bytes) -> None:
    model = "/" + raw.decode("utf-8", "surrogateescape")
    other: Any = Recipe(model, tile_px=64)
    assert Recipe(model).digest() == other.digest()
    assert Recipe(model).digest() != Recipe(model, 2).digest()
