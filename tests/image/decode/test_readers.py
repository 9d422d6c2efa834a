"""Every format that Pillow reads as a picture, by its content."""

import io
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from upscaled.errors import UnreadableImage, UnsupportedImage
from upscaled.image.decode import readers
from upscaled.image.decode.decode import decode
from upscaled.image.encode import tiff
from upscaled.image.encode.encode import encode
from upscaled.image.metadata.metadata import Metadata
from upscaled.recipe import OutputOptions

Make = Any
EXACT = {"BMP", "DIB", "PNG", "PPM", "SGI", "TGA", "TIFF", "PCX", "ICO", "QOI", "DDS"}


@pytest.mark.parametrize("form", sorted(EXACT | {"GIF", "JPEG", "JPEG2000", "WEBP", "AVIF", "MPO"}))
def test_what_pillow_writes_is_read(make: Make, form: str) -> None:
    pixels = make.smooth(32, 32)
    picture = decode(make.file(Image.fromarray(pixels), form))
    assert picture.format in {form, "BMP" if form == "DIB" else form, "JPEG"}
    assert picture.colour.shape == (32, 32, 3)
    error = np.abs(picture.colour.astype(int) - pixels)
    assert error.max() == 0 if form in EXACT else error.mean() < 12
    name = "png" if form not in {"JPEG", "MPO", "WEBP", "AVIF", "TIFF"} else None
    assert name is None or decode(encode(picture, name)[0]).colour.shape == (32, 32, 3)


@pytest.mark.parametrize("program", ["EPS", "WMF", "GRIB", "BUFR", "HDF5", "MPEG"])
def test_no_other_program_is_started_and_no_stub_is_a_picture(program: str) -> None:
    assert program not in readers.known()


def test_postscript_is_no_image(make: Make) -> None:
    with pytest.raises(UnreadableImage):
        decode(make.file(make.smooth(), "EPS"))


@pytest.mark.parametrize("extra", ["heif", "jxl"])
def test_a_missing_extra_is_named(make: Make, extra: str) -> None:
    content = make.file(make.smooth(), extra.upper())
    program = (
        "import sys; sys.modules['pillow_heif'] = sys.modules['pillow_jxl'] = None\n"
        "from upscaled.errors import UpscaledError\n"
        "from upscaled.image.decode.decode import decode\n"
        "from upscaled.image.encode.encode import encode\n"
        "try: decode(sys.stdin.buffer.read())\n"
        "except UpscaledError as error: print(type(error).__name__, error.hint)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], input=content, capture_output=True, check=True
    )
    assert ran.stdout.decode() == (
        f'UnsupportedImage install the extra: python3 -m pip install "upscaled[{extra}]"\n'
    )


def of_tiff(samples: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_tiff_of_sixteen_bits_is_read_in_every_layout(
    make: Make, big: bool, order: Any, compression: str | None
) -> None:
    written = {"bigtiff": big, "byteorder": order, "compression": compression}
    for channels in (1, 2, 3, 4):
        samples = make.pixels(40, 30, channels, bits=16)
        told = {"extrasamples": ["unassalpha"]} if channels in (2, 4) else {}
        photometric = "rgb" if channels > 2 else "minisblack"
        content = of_tiff(samples, photometric=photometric, **written, **told)
        picture = decode(content)
        assert picture.gray == (channels < 3)
        assert np.array_equal(picture.colour[..., 0], samples[..., 0])
        if told:
            assert np.array_equal(picture.alpha, samples[..., -1])
    planar = of_tiff(
        make.pixels(3, 40, 30, bits=16), photometric="rgb", planarconfig="separate", **written
    )
    assert decode(planar).colour.shape == (40, 30, 3)


def test_white_may_be_zero_and_alpha_may_be_multiplied_in(make: Make) -> None:
    plane = make.pixels(channels=1, bits=16)[..., 0]
    picture = decode(of_tiff(plane, photometric="miniswhite"))
    assert np.array_equal(picture.colour[..., 0], 65_535 - plane)
    straight = make.pixels(channels=4, bits=16)
    straight[..., 3] |= 0x8000
    share = straight[..., 3:] / 65_535
    multiplied = np.dstack([np.rint(straight[..., :3] * share), straight[..., 3]]).astype(np.uint16)
    picture = decode(of_tiff(multiplied, photometric="rgb", extrasamples=["assocalpha"]))
    assert np.abs(picture.colour.astype(int) - straight[..., :3]).max() <= 2


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint32, 32), (np.float32, 32), (np.float16, 16)])
def test_deeper_samples_become_sixteen_by_their_dtype(make: Make, dtype: Any, bits: int) -> None:
    plane = make.pixels(channels=1, bits=16)[..., 0]
    whole = np.issubdtype(dtype, np.integer)
    samples = plane.astype(dtype) * 65_537 if whole else (plane / 65_535).astype(dtype)
    picture = decode(of_tiff(samples))
    allowed = 0 if bits == 32 else 32
    assert np.abs(picture.colour[..., 0].astype(int) - plane).max() <= allowed
    # A dark picture is not a picture of fewer bits.
    dark = decode(of_tiff(np.full((8, 8), 200, np.uint16)))
    assert (dark.colour.dtype, dark.colour.max()) == (np.uint16, 200)


def test_a_large_tiff_has_offsets_of_64_bits(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff, "BIG_BYTES", 1000)
    samples = make.pixels(64, 64, bits=16)
    words = Metadata(exif=make.block(artist="Ada"), dpi=(300, 300))
    content = tiff.encode(samples, None, words, words.exif or b"", OutputOptions())
    assert content[:4] in (b"II+\0", b"MM\0+")
    picture = decode(content)
    assert np.array_equal(picture.colour, samples)
    assert picture.metadata.dpi == (300, 300)
    assert picture.metadata.exif
    assert b"Ada" in picture.metadata.exif


def test_a_cmyk_of_lzw_and_sixteen_bits_says_what_to_do(make: Make) -> None:
    content = of_tiff(make.pixels(channels=4, bits=16), photometric="separated")
    try:
        assert decode(content).colour.shape == (12, 20, 3)
    except UnsupportedImage as error:
        assert error.hint  # noqa: PT017 - either is right, by the reader that there is
