"""Sizes that a format cannot hold, before any work."""

import pytest

from upscaled.errors import ImageTooLarge
from upscaled.formats import resolve_format
from upscaled.image.encode.animation import AnimationTarget
from upscaled.pipeline.stages.upscale import Fallback, placed
from upscaled.recipe import OutputOptions

FAIL, PNG, SMALLER = (OutputOptions(on_too_large=wish) for wish in ("fail", "png", "downscale"))


def target(options: OutputOptions, source: str, width_px: int, height_px: int) -> Fallback:
    single = AnimationTarget(resolve_format("same", source), is_stream=False)
    return placed(options, single, width_px, height_px)


@pytest.mark.parametrize(
    ("source", "name", "most_px"), [("JPEG", "jpeg", 65_500), ("WEBP", "webp", 16_383)]
)
def test_the_last_size_fits_and_the_next_is_the_rules_choice(
    source: str, name: str, most_px: int
) -> None:
    assert target(FAIL, source, most_px, 10) == Fallback(name, most_px, 10)
    with pytest.raises(ImageTooLarge) as caught:
        target(FAIL, source, 10, most_px + 1)
    assert "on_too_large" in (caught.value.hint or "")
    png = target(PNG, source, 10, most_px + 1)
    assert (png.format, png.width_px, png.height_px) == ("png", 10, most_px + 1)
    smaller = target(SMALLER, source, 2 * most_px, 100)
    assert (smaller.format, smaller.width_px, smaller.height_px) == (name, most_px, 50)
    assert name in smaller.notes[0]


def test_a_format_without_a_limit_takes_any_size() -> None:
    assert target(SMALLER, "PNG", 10**6, 10**6) == Fallback("png", 10**6, 10**6)


@pytest.mark.parametrize(("name", "most_px"), [("gif", 65_535), ("webp", 16_383)])
def test_an_animation_has_the_same_choice(name: str, most_px: int) -> None:
    film = AnimationTarget(name, is_stream=True)
    assert placed(FAIL, film, most_px, 9) == Fallback(name, most_px, 9)
    with pytest.raises(ImageTooLarge, match=name) as caught:
        placed(FAIL, film, most_px + 1, 9)
    assert "on_too_large" in (caught.value.hint or "")
    png = placed(PNG, film, most_px + 1, 9)
    assert (png.format, png.width_px) == ("png", most_px + 1)
    smaller = placed(SMALLER, film, 2 * most_px, 20)
    assert (smaller.format, smaller.width_px, smaller.height_px) == (name, most_px, 10)
