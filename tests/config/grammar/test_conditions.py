"""What a rule asks of a picture: as it is written, and as it is judged."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upscaled.config.grammar.conditions import NO_CONDITIONS, Conditions, Span, objection
from upscaled.config.settings import Settings
from upscaled.config.show.settings_text import settings_tree, tree_text
from upscaled.job import ImageInfo

Load = Callable[..., Settings]
PHOTO = ImageInfo(4000, 3000, "jpeg", gray=False, alpha=False, animated=False)


def when(load: Load, text: str) -> Conditions:
    settings = load(f"rules:\n  a:\n    watch: in\n    output: out\n    when: {text}\n")
    again = load(tree_text(settings_tree(settings)))
    assert again.rules[0].when == settings.rules[0].when
    return settings.rules[0].when


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", NO_CONDITIONS),
        ("", NO_CONDITIONS),
        ("{size: 100KB..5MB}", Conditions(size_bytes=Span(100_000, 5_000_000))),
        ("{size: {max: 1MiB}}", Conditions(size_bytes=Span(None, 1_048_576))),
        ("{size: {min: 5}}", Conditions(size_bytes=Span(5))),
        ("{megapixels: ..4}", Conditions(megapixels=Span(None, 4))),
        ("{megapixels: 0.5..}", Conditions(megapixels=Span(0.5))),
        ("{width: {min: 100, max: 200}}", Conditions(width_px=Span(100, 200))),
        ('{height: "1 .. 9"}', Conditions(height_px=Span(1, 9))),
        ("{format: JPG}", Conditions(formats=("jpeg",))),
        ("{format: [.tif, png, tiff]}", Conditions(formats=("tiff", "png"))),
        ("{gray: true, alpha: false, animated: true}",
         Conditions(gray=True, alpha=False, animated=True)),
    ],
)  # fmt: skip
def test_conditions_are_read_and_shown_again(load: Load, text: str, expected: Conditions) -> None:
    assert when(load, text) == expected


def test_only_the_size_of_the_file_needs_no_look_into_it() -> None:
    assert not Conditions(size_bytes=Span(1)).needs_image_info
    assert not NO_CONDITIONS.needs_image_info
    for asked in (
        Conditions(megapixels=Span(1)),
        Conditions(formats=("png",)),
        Conditions(gray=False),
    ):
        assert asked.needs_image_info


@pytest.mark.parametrize(
    ("asked", "key", "reason"),
    [
        (Conditions(size_bytes=Span(None, 9)), "size", "the file has 10 bytes, more than 9 bytes"),
        (Conditions(megapixels=Span(13)), "megapixels", "it has 12 megapixels, less than 13"),
        (Conditions(width_px=Span(None, 3999)), "width", "it is 4000 px wide, more than 3999 px"),
        (Conditions(height_px=Span(3001)), "height", "it is 3000 px high, less than 3001 px"),
        (Conditions(formats=("png", "webp")), "format", "it is jpeg, not png or webp"),
        (Conditions(gray=True), "gray", "it is in colour"),
        (Conditions(alpha=True), "alpha", "it has no alpha channel"),
        (Conditions(animated=True), "animated", "it is not animated"),
    ],
)
def test_what_does_not_hold_is_named(asked: Conditions, key: str, reason: str) -> None:
    found = objection(asked, 10, PHOTO)
    assert found is not None
    assert (found.key, found.reason) == (key, reason)
    assert objection(asked) is None


@pytest.mark.parametrize("name", ["jpeg", "JPEG", "MPO"])
def test_a_format_goes_by_all_its_names(name: str) -> None:
    image_info = ImageInfo(1, 1, name.lower(), gray=True, alpha=True, animated=True)
    assert objection(Conditions(formats=("jpeg",), gray=True, alpha=True, animated=True),
                     1, image_info) is None  # fmt: skip


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.integers(1, 100_000), st.integers(1, 100_000))
def test_limits_belong_to_their_range(least: float, most: float, width: int, height: int) -> None:
    image_info: Any = ImageInfo(width, height, "png", gray=False, alpha=False, animated=False)
    found = objection(Conditions(megapixels=Span(least, most)), 1, image_info)
    assert (found is None) == (least <= width * height / 1e6 <= most)
