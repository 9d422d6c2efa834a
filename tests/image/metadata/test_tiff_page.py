"""A page cut out of a TIFF: nothing but its own, and all of it."""

import io
import struct
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from upscaled.image.decode.decode import decode
from upscaled.image.metadata.tiff_pages import PageWriter, pages, survey

Make = Any


def book(count: int, **options: Any) -> bytes:
    rng = np.random.default_rng(3)
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, bigtiff=options.pop("bigtiff", False)) as writer:
        for _ in range(count):
            samples = rng.integers(0, 256, (40, 64, 3), np.uint8)
            if options.get("planarconfig") == "separate":
                samples = np.moveaxis(samples, 2, 0)
            writer.write(samples, photometric="rgb", metadata=None, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bigtiff": True},
        {"compression": "zlib", "predictor": True, "rowsperstrip": 7},
        {"tile": (16, 16)},
        {"planarconfig": "separate"},
        {"compression": "zlib", "tile": (16, 32), "bigtiff": True},
    ],
)
def test_the_pages_of_a_book_are_no_larger_than_the_book(options: Any) -> None:
    content = book(30, **options)
    cut = list(pages(content))
    assert len(cut) == 30
    assert sum(map(len, cut)) < 1.2 * len(content)
    with tifffile.TiffFile(io.BytesIO(content)) as whole:
        for page, found in zip(whole.pages, cut, strict=True):
            wanted = page.asarray()
            if options.get("planarconfig"):
                wanted = np.moveaxis(wanted, 0, 2)
            assert survey(found) == ([(64, 40)], 0)
            assert np.array_equal(decode(found).colour, wanted)


def test_a_page_that_says_less_than_it_needs_keeps_the_whole_file() -> None:
    """Decoders read on behind a strip that is said to be too short; so they still can."""
    content = bytearray(book(2))
    (first,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, first)
    for at in range(first + 2, first + 2 + 12 * count, 12):
        if struct.unpack_from("<H", content, at) == (279,):
            struct.pack_into("<I", content, at + 8, 100)
    one, other = pages(bytes(content))
    assert len(one) == len(content) > len(other)
    with Image.open(io.BytesIO(content)) as image:
        assert np.array_equal(decode(one).colour, np.asarray(image))


def test_what_belongs_to_a_page_goes_with_it(make: Make) -> None:
    one, other = (
        make.file(
            make.pixels(),
            "TIFF",
            exif=make.exif(artist=name),
            icc_profile=make.icc,
            dpi=(90, 90),
            compression="jpeg",
        )
        for name in ("Ada", "Bob")
    )
    stream = io.BytesIO()
    writer = PageWriter(stream)
    writer.add(one)
    writer.add(other)
    found = [decode(page) for page in pages(stream.getvalue())]
    for picture, alone in zip(found, (decode(one), decode(other)), strict=True):
        assert picture.icc == make.icc
        assert picture.metadata == alone.metadata
        assert np.array_equal(picture.colour, alone.colour)
