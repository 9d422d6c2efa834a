"""The table of formats: what is written can be chosen, named and encoded by its row alone."""

import io

import numpy as np
import pytest
from PIL import Image

from upscaled.errors import ImageTooLarge
from upscaled.formats import (
    CALLED,
    FORMATS,
    STREAMED,
    WHEN,
    WHEN_CALLED,
    check_size,
    resolve_format,
    suffix,
)
from upscaled.image.encode.encode import encode
from upscaled.image.picture import Picture


@pytest.mark.parametrize("name", FORMATS)
def test_each_row_is_written_as_what_it_says(name: str) -> None:
    picture = Picture(np.full((8, 9, 3), 90, np.uint8))
    content, _ = encode(picture, name)
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == FORMATS[name].pillow
        assert image.size == (9, 8)
    assert resolve_format("same", FORMATS[name].pillow) == name


def test_no_word_means_two_formats() -> None:
    assert CALLED.keys().isdisjoint(FORMATS)
    assert len(CALLED) == sum(len(form.also_called) for form in FORMATS.values())
    assert set(WHEN_CALLED.values()) <= set(WHEN)
    assert WHEN_CALLED.keys().isdisjoint(WHEN)


@pytest.mark.parametrize(
    ("name", "own", "given"),
    [
        ("jpeg", "JPE", "JPE"),
        ("jpeg", "png", "jpg"),
        ("heif", "heif", "heif"),
        ("png", "PNG", "PNG"),
    ],
)
def test_a_result_keeps_the_spelling_of_its_source(name: str, own: str, given: str) -> None:
    assert suffix(name, own) == given


def test_what_an_edge_cannot_hold_is_refused_with_what_to_set() -> None:
    limited = {name: form for name, form in STREAMED.items() if form.most_px is not None}
    assert {"jpeg", "webp", "avif", "gif", "heif"} <= limited.keys()
    for name, form in limited.items():
        check_size(name, form.most_px or 0, 1)
        with pytest.raises(ImageTooLarge) as raised:
            check_size(name, 1, (form.most_px or 0) + 1)
        assert "on_too_large" in (raised.value.hint or "")
