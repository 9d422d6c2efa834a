"""Pixels to bytes: what a format can hold is kept, what it cannot is said."""

import io
from itertools import product
from typing import Any

import numpy as np
import pytest
from PIL import Image

from upscaled.errors import ImageTooLarge
from upscaled.formats import FORMATS, check_size, resolve_format
from upscaled.image.decode.decode import decode
from upscaled.image.encode.encode import encode
from upscaled.image.metadata.metadata import Metadata
from upscaled.image.picture import Picture
from upscaled.recipe import OutputOptions

Make = Any
DEEP = [name for name, form in FORMATS.items() if form.bits == 16]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("JPEG", "jpeg"),
        ("MPO", "jpeg"),
        ("PNG", "png"),
        ("WEBP", "webp"),
        ("TIFF", "tiff"),
        ("AVIF", "avif"),
        ("GIF", "png"),
        ("BMP", "png"),
        ("something new", "png"),
    ],
)
def test_same_means_the_sources_format_where_it_can_be_written(source: str, name: str) -> None:
    assert resolve_format("same", source) == name
    assert resolve_format("webp", source) == "webp"


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
def test_every_picture_can_be_written_in_every_format(
    make: Make, name: str, bits: int, gray: bool, alpha: bool
) -> None:
    colour = make.pixels(bits=bits)
    if gray:
        colour = np.dstack([colour[..., 0]] * 3)
    plane = make.pixels(channels=1, bits=bits)[..., 0] if alpha else None
    form = FORMATS[name]

    content, notes = encode(Picture(colour, plane, gray=gray), name, None)

    back = decode(content)
    assert (back.width_px, back.height_px) == (20, 12)
    assert any("16 bits were rounded" in note for note in notes) == (bits == 16 and form.bits < 16)
    assert any("no transparency" in note for note in notes) == (alpha and not form.alpha)
    assert (back.alpha is not None) == (alpha and form.alpha)
    if name in DEEP:
        assert np.array_equal(back.colour, colour)
        assert back.colour.dtype == colour.dtype
        assert alpha == (back.alpha is not None and np.array_equal(back.alpha, plane))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("bits", [8, 16])
def test_gray_is_written_as_gray(make: Make, name: str, bits: int) -> None:
    plane = make.pixels(channels=1, bits=bits)
    content, _ = encode(Picture(np.dstack([plane] * 3), gray=True), name, None)
    if name not in ("webp", "avif"):  # which know no gray
        assert decode(content).gray


def test_one_pixel_can_be_written_in_every_format(make: Make) -> None:
    for name, bits, size in product(FORMATS, [8, 16], [(1, 1), (1, 9), (9, 1)]):
        content, _ = encode(Picture(make.pixels(*size, bits=bits)), name, None)
        back = decode(content)
        assert (back.height_px, back.width_px) == size


@pytest.mark.parametrize("name", FORMATS)
def test_profile_and_exif_are_kept(make: Make, name: str) -> None:
    picture = Picture(make.smooth(), icc=make.icc, metadata=Metadata(exif=make.block(artist="Ada")))
    content, notes = encode(picture, name, None)
    back = decode(content)
    assert notes == ()
    # JPEG XL says by a number which well-known space it is, and its reader makes the profile.
    assert back.icc if name == "jxl" else back.icc == make.icc
    assert back.metadata.exif
    assert b"Ada" in back.metadata.exif


def test_profile_exif_and_resolution_are_kept_in_a_png_of_sixteen_bits(make: Make) -> None:
    colour = make.pixels(bits=16)
    picture = Picture(
        colour, icc=make.icc, metadata=Metadata(exif=make.block(artist="Ada"), dpi=(300, 150))
    )
    content, notes = encode(picture, "png", None)
    back = decode(content)
    assert (notes, back.icc) == ((), make.icc)
    assert back.metadata.exif
    assert b"Ada" in back.metadata.exif
    assert back.metadata.dpi == pytest.approx((300, 150), rel=0.001)
    assert np.array_equal(back.colour, colour)


@pytest.mark.parametrize("name", ["jpeg", "png", "tiff"])
def test_resolution_is_kept(make: Make, name: str) -> None:
    content, _ = encode(Picture(make.smooth(), metadata=Metadata(dpi=(300, 150))), name, None)
    assert decode(content).metadata.dpi == pytest.approx((300, 150), rel=0.001)


@pytest.mark.parametrize("name", FORMATS)
def test_more_metadata_than_a_format_holds_costs_the_metadata_only(make: Make, name: str) -> None:
    """What an editor puts into a TIFF is often more than the 64 kB of a JPEG."""
    picture = Picture(make.smooth(), metadata=Metadata(exif=make.block(artist="x" * 70_000)))
    content, notes = encode(picture, name, None)
    assert decode(content).colour.shape == (48, 64, 3)
    assert bool(notes) == (name == "jpeg")


@pytest.mark.parametrize("name", FORMATS)
def test_a_broken_profile_does_not_stop_the_picture(make: Make, name: str) -> None:
    content, _ = encode(Picture(make.smooth(), icc=b"nonsense"), name, None)
    assert decode(content).colour.shape == (48, 64, 3)


def test_transparency_is_put_on_white_where_there_is_none(make: Make) -> None:
    colour = np.zeros((16, 16, 3), np.uint8)
    alpha = np.zeros((16, 16), np.uint8)
    alpha[:, 8:] = 255
    back = decode(encode(Picture(colour, alpha), "jpeg", OutputOptions(quality=100))[0])
    assert back.colour[:, :8].min() > 250
    assert back.colour[:, 8:].max() < 5
    deep = Picture(colour.astype(np.uint16), alpha.astype(np.uint16) * 257)
    again = decode(encode(deep, "jpeg", OutputOptions(quality=100))[0])
    assert np.array_equal(again.colour, back.colour)
    del make


def test_sixteen_bits_are_rounded_not_cut() -> None:
    values = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    content, _ = encode(
        Picture(np.dstack([values] * 3), gray=True), "webp", OutputOptions(quality=100)
    )
    del content
    from upscaled.image.encode.encode import to_8_bit  # noqa: PLC0415 (the exact figures)

    assert np.array_equal(to_8_bit(values), np.rint(values / 257).astype(np.uint8))


@pytest.mark.parametrize("name", ["jpeg", "webp", "avif"])
def test_quality_is_a_matter_of_size(make: Make, name: str) -> None:
    picture = Picture(make.pixels(64, 64))
    sizes = [
        len(encode(picture, name, OutputOptions(quality=quality))[0]) for quality in (20, None, 100)
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize("quality", [95, 100])
def test_a_jpeg_of_pure_noise_fits_its_buffer(make: Make, quality: int) -> None:
    """Pillow's buffer for `optimize` is a guess from the size (its issue 148)."""
    for gray in (False, True):
        picture = Picture(
            make.pixels(700, 900),
            gray=gray,
            metadata=Metadata(exif=make.block(artist="x" * 60_000)),
        )
        content, _ = encode(picture, "jpeg", OutputOptions(quality=quality))
        assert decode(content).width_px == 900


def test_chroma_is_written_at_full_resolution(make: Make) -> None:
    content, _ = encode(Picture(make.smooth()), "jpeg", None)
    with Image.open(io.BytesIO(content)) as image:
        sampling: Any = image
        assert {layer[1:3] for layer in sampling.layer} == {(1, 1)}


@pytest.mark.parametrize(
    ("name", "edge_px"), [("jpeg", 65_500), ("webp", 16_383), ("avif", 65_536)]
)
def test_what_a_format_cannot_hold_is_refused_before_any_work(name: str, edge_px: int) -> None:
    check_size(name, edge_px, 1)
    for size in ((edge_px + 1, 1), (1, edge_px + 1)):
        with pytest.raises(ImageTooLarge) as caught:
            check_size(name, *size)
        assert "png" in caught.value.hint
    check_size("png", 10**6, 10**6)


@pytest.mark.parametrize(("name", "edge_px"), [("jpeg", 65_500), ("webp", 16_383)])
def test_the_limit_is_what_the_library_really_holds(name: str, edge_px: int) -> None:
    content, _ = encode(Picture(np.zeros((edge_px, 1, 3), np.uint8)), name, None)
    assert decode(content).height_px == edge_px
    with pytest.raises(ImageTooLarge):
        encode(Picture(np.zeros((edge_px + 1, 1, 3), np.uint8)), name, None)


def test_a_drawing_and_noise_are_both_written_to_the_pixel(make: Make) -> None:
    drawing = np.zeros((300, 300, 3), np.uint8)
    drawing[::7] = 200
    for pixels in (drawing, make.pixels(300, 300)):
        assert np.array_equal(decode(encode(Picture(pixels), "png", None)[0]).colour, pixels)


def test_a_jxl_of_quality_100_is_written_without_loss(make: Make) -> None:
    pixels = make.pixels()
    content, _ = encode(Picture(pixels), "jxl", OutputOptions(quality=100, lossless=False))
    assert np.array_equal(decode(content).colour, pixels)
