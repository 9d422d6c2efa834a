"""Ten bits, HDR and wide colours by number: kept where they can be, told where they cannot."""

from typing import Any

import cv2
import numpy as np
import pytest

from upscaled.image.decode.decode import decode
from upscaled.image.encode.encode import encode
from upscaled.image.metadata import cicp, png_chunks
from upscaled.image.metadata.metadata import Metadata
from upscaled.image.picture import Picture
from upscaled.recipe import OutputOptions

Make = Any


def test_gray_avif_of_ten_bits_is_read_as_pillow_does_and_told(make: Make) -> None:
    plane = (make.smooth()[..., 0].astype(np.uint16) * 257) >> 6
    content = bytes(cv2.imencode(".avif", plane, [cv2.IMWRITE_AVIF_DEPTH, 10])[1])
    picture = decode(content)
    assert picture.colour.dtype == np.uint8
    assert "its samples have 10 bits, and were read in 8" in picture.notes


@pytest.mark.parametrize("channels", [3, 4])
def test_heif_goes_out_in_ten_bits_with_all_its_words(make: Make, channels: int) -> None:
    samples = (make.smooth().astype(np.uint16) * 257)[..., [0, 1, 2, 0][:channels]]
    alpha = np.ascontiguousarray(samples[..., 3]) if channels == 4 else None
    words = Metadata(exif=make.block(artist="Ada"), xmp=b"<x/>")
    source = Picture(np.ascontiguousarray(samples[..., :3]), alpha, icc=make.icc, metadata=words)
    content, notes = encode(source, "heif", OutputOptions(lossless=True), "upscaled")
    assert notes == ("heif is written in 10 bits: the 16 bits were rounded",)
    found = decode(content)
    assert found.colour.dtype == np.uint16
    assert np.abs(found.colour.astype(int) - source.colour).max() <= 33
    assert (found.alpha is None) == (alpha is None)
    assert (found.icc, found.metadata.xmp) == (make.icc, b"<x/>")
    assert b"Ada" in (found.metadata.exif or b"")


@pytest.mark.parametrize(("number", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_told_to_png_and_what_is_no_png_says_that_it_is_not(
    make: Make, number: int, name: str
) -> None:
    content = make.png_with(make.file(make.pixels(), "PNG"), b"cICP", bytes([9, number, 0, 1]))
    found = decode(content)
    assert encode(found, "png")[1] == ()
    for form in ("jpeg", "tiff", "avif"):
        (note,) = encode(found, form)[1]
        assert "BT.2020" in note
        assert name in note


def test_an_avif_of_display_p3_by_number_is_one_as_png(make: Make) -> None:
    content = make.file(make.pixels(), "AVIF")
    assert decode(content).colour_space == ()
    at = content.index(b"colrnclx") + 8
    wide = content[:at] + b"\0\x0c\0\x0d" + content[at + 4 :]
    with_gain_map = wide.replace(b"mif1", b"tmap", 1)
    assert cicp.chunks_of(wide, {}) != cicp.chunks_of(with_gain_map, {}) == ()
    made = encode(decode(wide), "png")[0]
    assert (b"cICP", bytes([12, 13, 0, 1])) in list(png_chunks.chunks(made))
