"""Colours mean the same before and after, whatever space their numbers are in."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from skimage.color import deltaE_ciede2000, rgb2lab

from support import icc_profiles
from upscaled.image.decode.colour import srgb
from upscaled.image.decode.decode import decode
from upscaled.image.encode.encode import encode
from upscaled.image.metadata import png_chunks

Make = Any
NAMES = ["jpeg", "png", "webp", "avif", "tiff", "heif"]


def as_srgb(colour: Any, icc: bytes) -> Any:
    """By LittleCMS, as a viewer does it."""
    image = Image.fromarray(np.ascontiguousarray(colour))
    shown = ImageCms.profileToProfile(
        image, ImageCms.ImageCmsProfile(io.BytesIO(icc)), ImageCms.createProfile("sRGB")
    )
    assert shown is not None
    return np.asarray(shown)


def difference(one: Any, other: Any) -> float:
    """The largest ΔE2000."""
    return float(deltaE_ciede2000(rgb2lab(one), rgb2lab(other)).max())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("space", ["display_p3", "adobe_rgb"])
def test_a_wide_profile_and_its_numbers_go_through_untouched(
    make: Make, name: str, space: str
) -> None:
    icc = getattr(icc_profiles, space)()
    picture = decode(make.file(make.smooth(), "PNG", icc_profile=icc))
    assert np.array_equal(picture.colour, make.smooth())
    back = decode(encode(picture, name)[0])
    assert back.icc == icc
    assert np.abs(back.colour.astype(int) - make.smooth()).mean() < 3


def test_a_profile_for_gray_stays_with_gray(make: Make) -> None:
    plane = make.smooth()[..., 0]
    picture = decode(make.file(plane, "PNG", icc_profile=icc_profiles.gray()))
    for name in ("png", "tiff", "jpeg"):
        assert decode(encode(picture, name)[0]).icc == icc_profiles.gray()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize(
    ("icc", "told"),
    [
        (b"nonsense" * 50, "its colour profile is broken and was left out"),
        (srgb()[:200], "its colour profile is broken and was left out"),
        (icc_profiles.gray(), "its colour profile is for GRAY, not RGB, and was left out"),
        (icc_profiles.cmyk(), "its colour profile is for CMYK, not RGB, and was left out"),
    ],
    ids=["nonsense", "cut off", "gray", "cmyk"],
)
def test_a_profile_that_is_none_of_these_colours_is_left_out_with_a_note(
    make: Make, form: str, icc: bytes, told: str
) -> None:
    picture = decode(make.file(make.smooth(), form, icc_profile=icc))
    assert picture.icc is None
    assert told in picture.notes
    assert decode(encode(picture, "png")[0]).colour.shape == (48, 64, 3)


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_is_converted_by_its_profile(make: Make, form: str) -> None:
    inks = np.zeros((32, 32, 4), np.uint8)
    inks[:16, :16] = (255, 0, 0, 0)
    inks[:16, 16:] = (0, 255, 0, 0)
    inks[16:, 16:] = (0, 0, 0, 255)
    image = Image.fromarray(inks, "CMYK")
    options = {"quality": 100, "subsampling": 0} if form == "JPEG" else {}
    picture = decode(make.file(image, form, icc_profile=icc_profiles.cmyk(), **options))
    assert picture.icc == srgb()
    assert picture.notes == ("converted from CMYK to sRGB by its profile",)
    lab = rgb2lab(picture.colour)
    # What the profile says of full cyan and magenta, white and black.
    for (row, column), expected in {
        (4, 4): (91.7, -10, -10), (4, 28): (91.7, 10, 0), (28, 4): (100, 0, 0), (28, 28): (0, 0, 0)
    }.items():  # fmt: skip
        assert np.abs(lab[row, column] - expected).max() < 3, (row, column)
    naive = decode(make.file(image, form, **options))
    assert np.abs(naive.colour.astype(int) - picture.colour).max() > 20


def test_lab_means_its_colours_by_itself(make: Make) -> None:
    image = Image.fromarray(make.smooth())
    lab = ImageCms.profileToProfile(
        image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    picture = decode(make.file(lab, "TIFF"))
    assert picture.icc == srgb()
    assert np.abs(picture.colour.astype(int) - make.smooth()).mean() < 2


def test_chunks_of_a_png_that_say_its_colours_stay_with_it(make: Make) -> None:
    said = [(b"cICP", bytes([12, 13, 0, 1]))]
    picture = decode(png_chunks.with_chunks(make.file(make.smooth(), "PNG"), said))
    assert png_chunks.colour_space(encode(picture, "png")[0]) == tuple(said)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "I;16"])
def test_gray_comes_out_in_one_channel(make: Make, mode: str) -> None:
    gray = Image.fromarray(make.smooth()[..., 0])
    if mode == "I;16":
        gray = Image.fromarray(make.smooth()[..., 0].astype(np.uint16) * 257)
    elif mode in ("P", "PA"):
        gray = gray.convert("P")
        gray = gray if mode == "P" else gray.convert("PA")
    else:
        gray = gray.convert(mode)
    picture = decode(make.file(gray, "TIFF" if mode == "PA" else "PNG"))
    assert picture.gray
    with Image.open(io.BytesIO(encode(picture, "png")[0])) as written:
        assert written.mode in ("L", "LA", "I;16")


def test_sixteen_bits_keep_more_than_ten_thousand_levels(make: Make) -> None:
    ramp = np.linspace(0, 65_535, 20_000).round().astype(np.uint16).reshape(100, 200)
    colour = np.dstack([ramp, ramp[::-1], ramp[:, ::-1]])
    for name in ("png", "tiff"):
        content = make.deep(colour, f".{name}")
        for step in range(2):
            picture = decode(content)
            assert len(np.unique(picture.colour[..., 0])) > 10_000, (name, step)
            content, _ = encode(picture, name)
        assert np.array_equal(decode(content).colour, colour)
