"""Pictures of every kind to every format: what is written is read again, and is the same."""

import random
from typing import Any

import numpy as np
import pytest

from upscaled.formats import FORMATS
from upscaled.image.decode.colour import srgb
from upscaled.image.decode.decode import decode
from upscaled.image.encode.encode import encode
from upscaled.image.metadata.metadata import Metadata
from upscaled.image.picture import Picture
from upscaled.recipe import OutputOptions

CASES, SLOW_CASES = 80, 24
"""For each format; x265 takes 30 ms to begin."""
EXACT = {"png", "tiff"}


def picture(rng: random.Random, words: Metadata) -> Picture:
    """From one pixel on, mostly of noise, with or without each thing that there is."""
    pixels = np.random.default_rng(rng.randrange(2**32))
    height, width = (rng.choice((1, 2, 3, 5, 8, 17, 33)) for _ in range(2))
    dtype: Any = rng.choice((np.uint8, np.uint16))
    most = np.iinfo(dtype).max
    gray = rng.random() < 0.3
    colour = pixels.integers(0, most + 1, (height, width, 1 if gray else 3), dtype)
    if rng.random() < 0.3:
        colour[:] = rng.choice((0, most, most // 3))
    alpha = pixels.integers(0, most + 1, (height, width), dtype) if rng.random() < 0.4 else None
    return Picture(
        np.repeat(colour, 3, axis=2) if gray else colour,
        alpha,
        gray=gray,
        icc=srgb() if not gray and rng.random() < 0.3 else None,
        metadata=words if rng.random() < 0.5 else Metadata(),
        is_lossless=rng.random() < 0.3,
    )


def words(rng: random.Random, block: bytes) -> Metadata:
    def some(most: int) -> bytes | None:
        return rng.randbytes(rng.randrange(1, most)) if rng.random() < 0.5 else None

    return Metadata(
        exif=block if rng.random() < 0.5 else None,
        xmp=some(500),
        iptc=some(500),
        comment=some(100),
        dpi=rng.choice(
            (None, (72, 72), (0.001, 1), (99_999, 0.01), (300, 150.5), (65_536, 65_535))
        ),
    )


def encoding(rng: random.Random) -> OutputOptions:
    return OutputOptions(
        quality=rng.choice((None, 1, 50, 100)),
        lossless=rng.choice((None, True, False)),
        effort=rng.choice(("fast", "normal")),
        chroma=rng.choice((None, "4:4:4", "4:2:2", "4:2:0")),
        metadata=rng.choice(("keep", "strip")),
    )


def opacity(made: Picture) -> Any:
    whole = np.full(made.colour.shape[:2], np.iinfo(made.colour.dtype).max)
    return whole if made.alpha is None else made.alpha


@pytest.mark.parametrize("name", FORMATS)
def test_any_picture_is_written_and_read_again(make: Any, name: str) -> None:
    rng = random.Random(name)  # noqa: S311 - which pictures they are is no secret
    for number in range(SLOW_CASES if name == "heif" else CASES):
        made = picture(rng, words(rng, make.block(artist="Ada" * number)))
        how = encoding(rng)
        content, _ = encode(made, name, how, "upscaled")
        back = decode(content)
        case = (name, number, how)
        assert back.colour.shape == made.colour.shape, case
        if name in EXACT:
            assert np.array_equal(back.colour, made.colour), case
            assert back.colour.dtype == made.colour.dtype, case
            assert np.array_equal(opacity(back), opacity(made)), case
