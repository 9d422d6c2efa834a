"""Bytes to pixels: content decides, nothing of it is trusted, nothing is lost without a word."""

import io
import logging
import logging.handlers
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from upscaled.errors import ImageTooLarge, JobError, TruncatedImage, UnreadableImage
from upscaled.image.decode import decode as module
from upscaled.image.decode import readers
from upscaled.image.decode.colour import srgb
from upscaled.image.decode.decode import decode

Make = Any

LOSSLESS = ["PNG", "TIFF", "BMP", "PPM", "TGA"]


@pytest.mark.parametrize("form", LOSSLESS)
def test_eight_bits_of_colour_come_in_to_the_pixel(make: Make, form: str) -> None:
    pixels = make.pixels()
    picture = decode(make.file(pixels, form))
    assert np.array_equal(picture.colour, pixels)
    assert picture.colour.dtype == np.uint8
    assert (picture.alpha, picture.gray, picture.format) == (None, False, form)
    assert (picture.width_px, picture.height_px) == (20, 12)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "TGA"])
def test_transparency_comes_in_straight(make: Make, form: str) -> None:
    pixels = make.pixels(channels=4)
    picture = decode(make.file(pixels, form))
    assert np.array_equal(picture.colour, pixels[..., :3])
    assert np.array_equal(picture.alpha, pixels[..., 3])


def test_lossless_webp_keeps_colour_and_transparency(make: Make) -> None:
    pixels = make.pixels(channels=4)
    picture = decode(make.file(pixels, "WEBP", lossless=True, exact=True))
    assert np.array_equal(picture.colour, pixels[..., :3])
    assert np.array_equal(picture.alpha, pixels[..., 3])


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "AVIF", "JPEG2000"])
def test_lossy_formats_come_in_nearly_as_they_were(make: Make, form: str) -> None:
    pixels = make.smooth()
    picture = decode(make.file(pixels, form))
    assert np.abs(picture.colour.astype(int) - pixels).mean() < 4
    assert picture.format == form


def test_transparency_that_hides_nothing_is_none(make: Make) -> None:
    pixels = make.pixels(channels=4)
    pixels[..., 3] = 255
    assert decode(make.file(pixels, "PNG")).alpha is None


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_gray_is_gray(make: Make, form: str) -> None:
    plane = make.pixels(channels=1)[..., 0]
    picture = decode(make.file(plane, form))
    assert picture.gray
    assert np.array_equal(picture.colour, np.dstack([plane] * 3))


def test_gray_with_transparency(make: Make) -> None:
    pixels = make.pixels(channels=2)
    picture = decode(make.file(pixels, "PNG"))
    assert picture.gray
    assert np.array_equal(picture.colour[..., 1], pixels[..., 0])
    assert np.array_equal(picture.alpha, pixels[..., 1])


def test_black_and_white_is_gray_of_eight_bits(make: Make) -> None:
    plane = make.pixels(channels=1)[..., 0] > 127
    picture = decode(make.file(Image.fromarray(plane), "PNG"))
    assert picture.gray
    assert np.array_equal(picture.colour[..., 0], plane * np.uint8(255))


def test_a_palette_is_resolved_with_its_transparency(make: Make) -> None:
    indexed = Image.fromarray(make.pixels(channels=1)[..., 0] % 4).convert("P")
    indexed.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    plain = decode(make.file(indexed, "PNG"))
    assert plain.alpha is None
    assert {tuple(px) for px in plain.colour.reshape(-1, 3)} <= {
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (9, 9, 9),
    }
    clear = decode(make.file(indexed, "PNG", transparency=1))
    index = np.array(indexed)
    assert np.array_equal(clear.alpha == 0, index == 1)


def test_one_transparent_colour_of_a_png_is_transparent(make: Make) -> None:
    pixels = make.pixels()
    pixels[2, 3] = (1, 2, 3)
    picture = decode(make.file(pixels, "PNG", transparency=(1, 2, 3)))
    assert picture.alpha is not None
    assert picture.alpha[2, 3] == 0
    gray = make.pixels(channels=1)[..., 0]
    clear = decode(make.file(gray, "PNG", transparency=int(gray[0, 0])))
    assert clear.gray
    assert np.array_equal(clear.alpha == 0, gray == gray[0, 0])


# Sixteen bits


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bits_of_colour_come_in_to_the_bit(make: Make, suffix: str, channels: int) -> None:
    samples = make.pixels(channels=channels, bits=16)
    picture = decode(make.deep(samples, suffix))
    assert picture.colour.dtype == np.uint16
    assert np.array_equal(picture.colour, samples[..., :3])
    if channels == 4:
        assert np.array_equal(picture.alpha, samples[..., 3])


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_of_gray_come_in_to_the_bit(make: Make, form: str) -> None:
    plane = make.pixels(channels=1, bits=16)[..., 0]
    picture = decode(make.file(plane, form))
    assert picture.gray
    assert picture.colour.dtype == np.uint16
    assert np.array_equal(picture.colour[..., 2], plane)


def test_sixteen_bits_of_gray_with_transparency(make: Make) -> None:
    samples = make.pixels(channels=2, bits=16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", 20, 12, 16, 4, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + make.chunk(b"IHDR", header)
    png += make.chunk(b"IDAT", zlib.compress(rows)) + make.chunk(b"IEND", b"")
    picture = decode(png)
    assert picture.gray
    assert np.array_equal(picture.colour[..., 0], samples[..., 0])
    assert np.array_equal(picture.alpha, samples[..., 1])


# Colour spaces


def test_cmyk_and_lab_become_srgb_and_say_so(make: Make) -> None:
    for mode, form in (("CMYK", "JPEG"), ("CMYK", "TIFF"), ("LAB", "TIFF")):
        image = Image.fromarray(make.smooth())
        stored = image.convert("CMYK") if mode == "CMYK" else _lab(image)
        picture = decode(make.file(stored, form))
        assert picture.icc == srgb()
        assert f"converted from {mode} to sRGB" in picture.notes
        assert picture.colour.shape == (48, 64, 3)
        assert np.abs(picture.colour.astype(int) - make.smooth()).mean() < 10


def _lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms  # noqa: PLC0415 (only here)

    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    converted = ImageCms.profileToProfile(image, srgb, lab, outputMode="LAB")
    assert converted is not None
    return converted


def test_a_broken_profile_of_a_cmyk_image_is_left_out_with_a_note(make: Make) -> None:
    image = Image.fromarray(make.smooth()).convert("CMYK")
    picture = decode(make.file(image, "TIFF", icc_profile=b"nonsense" * 20))
    assert picture.icc == srgb()
    assert any("profile is broken" in note for note in picture.notes)


def test_float_samples_from_zero_to_one_become_sixteen_bits(make: Make) -> None:
    plane = make.pixels(channels=1, bits=16)[..., 0]
    picture = decode(make.file((plane / 65535).astype(np.float32), "TIFF"))
    assert np.array_equal(picture.colour[..., 0], plane)
    assert picture.notes == ("32-bit float samples became 16-bit integers",)
    bright = decode(make.file((plane / 65535 + 1).astype(np.float32), "TIFF"))
    assert bright.colour.min() == 65535
    assert "cut to the range" in bright.notes[0]


# What travels with the pixels


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_profile_and_exif_come_along(make: Make, form: str) -> None:
    exif = make.exif(artist="Ada", orientation=1)
    picture = decode(make.file(make.smooth(), form, icc_profile=make.icc, exif=exif))
    assert picture.icc == make.icc
    kept = Image.Exif()
    kept.load(picture.metadata.exif)
    assert kept[0x13B] == "Ada"
    assert 0x112 not in kept


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_resolution_comes_along(make: Make, form: str) -> None:
    picture = decode(make.file(make.smooth(), form, dpi=(300, 150)))
    assert picture.metadata.dpi == pytest.approx((300, 150), rel=0.001)


def test_a_broken_exif_block_costs_nothing_but_itself(make: Make) -> None:
    pixels = make.pixels()
    png = make.png_with(make.file(pixels, "PNG"), b"eXIf", b"II*\0\xff\xff\xff\xff nonsense")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(decode(png).colour, pixels)


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
def test_each_orientation_of_eight_bits_is_turned_upright(
    make: Make, orientation: int, form: str
) -> None:
    upright = make.pixels(5, 7, 4)
    stored = make.turned(upright, orientation)
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    exif = make.exif(orientation=orientation)
    picture = decode(make.file(stored, form, exif=exif, **options))
    assert np.array_equal(picture.colour, upright[..., :3])
    assert np.array_equal(picture.alpha, upright[..., 3])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_of_a_jpeg_is_turned_upright(make: Make, orientation: int) -> None:
    upright = make.smooth(16, 32)
    stored = make.turned(upright, orientation)
    exif = make.exif(orientation=orientation, artist="Ada")
    picture = decode(make.file(stored, "JPEG", exif=exif, quality=100, subsampling=0))
    assert np.abs(picture.colour.astype(int) - upright).max() < 12
    assert picture.metadata.exif
    assert b"Ada" in picture.metadata.exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("channels", [3, 4])
def test_each_orientation_of_sixteen_bits_is_turned_upright(
    make: Make, orientation: int, channels: int
) -> None:
    upright = make.pixels(5, 7, channels, bits=16)
    stored = make.turned(upright, orientation)
    exif = make.exif(orientation=orientation).removeprefix(b"Exif\0\0")
    png = make.png_with(make.deep(stored, ".png"), b"eXIf", exif)
    tiff = make.tiff_with_orientation(make.deep(stored, ".tiff"), orientation)
    for content in (png, tiff):
        picture = decode(content)
        assert np.array_equal(picture.colour, upright[..., :3])
        if channels == 4:
            assert np.array_equal(picture.alpha, upright[..., 3])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_of_gray_in_sixteen_bits_is_turned_upright(
    make: Make, orientation: int
) -> None:
    upright = make.pixels(5, 7, 1, bits=16)
    stored = make.turned(upright, orientation)[..., 0]
    for form in ("PNG", "TIFF"):
        exif = make.exif(orientation=orientation)
        picture = decode(make.file(stored, form, exif=exif))
        assert np.array_equal(picture.colour[..., :1], upright)


# What is damaged


def every_kind(make: Make) -> dict[str, bytes]:
    smooth = Image.fromarray(make.smooth())
    noise = make.pixels(32, 48)
    files = {form: make.file(noise, form) for form in ("PNG", "BMP", "PPM", "TGA", "GIF")}
    files |= {form: make.file(smooth, form) for form in ("JPEG", "WEBP", "AVIF", "JPEG2000")}
    files["progressive"] = make.file(smooth, "JPEG", progressive=True)
    files["cmyk"] = make.file(smooth.convert("CMYK"), "JPEG")
    files["palette"] = make.file(smooth.convert("P"), "PNG", transparency=3)
    for compression in ("raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg"):
        files[f"tiff {compression}"] = make.file(smooth, "TIFF", compression=compression)
    for suffix in (".png", ".tiff"):
        files[f"16 bits {suffix}"] = make.deep(make.pixels(32, 48, 3, bits=16), suffix)
        files[f"16 bits and alpha {suffix}"] = make.deep(make.pixels(9, 9, 4, bits=16), suffix)
    exif = make.exif(artist="Ada", orientation=6)
    files["metadata"] = make.file(smooth, "JPEG", exif=exif, icc_profile=make.icc, dpi=(72, 72))
    return files


def test_each_kind_is_read_while_it_is_whole(make: Make) -> None:
    for content in every_kind(make).values():
        decode(content)


def test_a_file_that_is_still_arriving_is_told_from_a_damaged_one(make: Make) -> None:
    for kind, content in every_kind(make).items():
        for tenth in range(1, 10):
            cut = content[: len(content) * tenth // 10]
            try:
                decode(cut)
            except TruncatedImage:
                continue
            pytest.fail(f"{kind} was read from {tenth} tenths")


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"no image", b"\xff" * 5000, b"<svg/>", b"%PDF-1.7", b"RIFFxxxxWEBP"]
)
def test_what_is_no_image_is_unreadable(content: bytes) -> None:
    with pytest.raises(UnreadableImage):
        decode(content)


def test_a_bomb_is_refused_by_its_header(make: Make) -> None:
    def bomb(depth: int) -> bytes:
        header = struct.pack(">IIBBBBB", 60_000, 60_000, depth, 2, 0, 0, 0)
        body = make.chunk(b"IHDR", header) + make.chunk(b"IDAT", zlib.compress(bytes(99)))
        return b"\x89PNG\r\n\x1a\n" + body + make.chunk(b"IEND", b"")

    for depth in (8, 16):
        with pytest.raises(ImageTooLarge) as caught:
            decode(bomb(depth))
        assert "60000×60000" in caught.value.message
        assert caught.value.hint
    decode(make.file(make.pixels(12, 20), "PNG"), 12 * 20)
    with pytest.raises(ImageTooLarge, match="MP"):
        decode(make.file(make.pixels(12, 21), "PNG"), 12 * 20)


def test_no_memory_is_told_as_too_large(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(module, "planes_of", lambda *_: fail(None))
    with pytest.raises(ImageTooLarge):
        decode(make.file(make.pixels(), "PNG"))


def test_an_odd_resolution_is_ignored(make: Make) -> None:
    png = make.file(make.pixels(), "PNG")
    for body in (struct.pack(">IIB", 0, 0, 1), struct.pack(">IIB", 2**32 - 1, 1, 1)):
        picture = decode(make.png_with(png, b"pHYs", body))
        assert picture.metadata.dpi is None or all(0 < dpi < 1e5 for dpi in picture.metadata.dpi)


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_bytes_raise_anything_but_what_a_job_can_end_with(
    make: Make, data: st.DataObject
) -> None:
    files = FILES or FILES.update(every_kind(make)) or FILES
    content = bytearray(files[data.draw(st.sampled_from(sorted(files)))])
    # Headers are where parsers go wrong.
    near = st.integers(0, min(len(content), 300) - 1) | st.integers(0, len(content) - 1)
    for at, value in data.draw(st.lists(st.tuples(near, st.integers(0, 255)), max_size=8)):
        content[at] = value
    cut = data.draw(st.just(len(content)) | st.integers(0, len(content)))
    try:
        picture = decode(bytes(content[:cut]))
    except JobError:
        return
    assert picture.colour.shape[2] == 3
    assert picture.colour.dtype in (np.uint8, np.uint16)


FILES: dict[str, bytes] = {}


def test_the_pictures_of_the_tests_are_read() -> None:
    content = (Path(__file__).parents[2] / "data" / "astronaut.png").read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        assert decode(content).colour.shape[:2] == (image.height, image.width)


def deep_heif(samples: Any) -> bytes:
    heif = pytest.importorskip("pillow_heif")
    readers.known()
    image = heif.from_bytes("RGB;16", samples.shape[1::-1], samples.tobytes())
    buffer = io.BytesIO()
    image.save(buffer, quality=90)
    return buffer.getvalue()


def deep_cmyk(samples: Any) -> bytes:
    buffer = io.BytesIO()
    four = np.dstack([samples, samples[..., :1]])
    tifffile.imwrite(buffer, four, photometric="separated")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("form", "bits"),
    [("avif", 10), ("avif", 12), ("heif", 10), ("jp2", 16), ("ppm", 16), ("cmyk", 16)],
)
def test_depth_is_read_whole_or_it_is_told(make: Make, form: str, bits: int) -> None:
    samples = make.smooth().astype(np.uint16) * 257
    match form:
        case "avif":
            depth = [cv2.IMWRITE_AVIF_DEPTH, bits]
            content = bytes(cv2.imencode(".avif", samples >> (16 - bits), depth)[1])
        case "heif":
            content = deep_heif(samples)
        case "cmyk":
            content = deep_cmyk(samples)
        case _:
            content = bytes(cv2.imencode(f".{form}", samples)[1])
    picture = decode(content)
    if form == "cmyk":
        assert picture.colour.dtype == np.uint8
        assert f"its samples have {bits} bits, and were read in 8" in picture.notes
        return
    assert picture.colour.dtype == np.uint16
    assert not picture.notes
    # OpenCV wrote the channels of all but HEIF from the last to the first.
    wanted = samples if form == "heif" else samples[..., ::-1]
    apart = np.abs(picture.colour.astype(int) - wanted)
    assert apart.mean() < (1 if form in ("jp2", "ppm") else 600)


@pytest.mark.parametrize("form", ["AVIF", "HEIF", "JPEG2000", "PPM", "TIFF", "SGI"])
def test_of_files_of_8_bits_nothing_is_told(make: Make, form: str) -> None:
    readers.known()
    assert decode(make.file(make.smooth(), form)).notes == ()


def test_a_damaged_tiff_is_remarked_on_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    logged = logging.handlers.BufferingHandler(10_000)
    monkeypatch.setattr(logging.getLogger(), "handlers", [logged])
    buffer = io.BytesIO()
    extra = [(65_000 + number, 3, 1, 7, True) for number in range(300)]
    tifffile.imwrite(buffer, make.pixels(bits=16), extratags=extra)
    content = bytearray(buffer.getvalue())
    for tag in range(65_000, 65_300):
        at = content.index(struct.pack("<HHI", tag, 3, 1))
        struct.pack_into("<HI", content, at + 2, 3, 1_000_000)
        struct.pack_into("<I", content, at + 8, 0xFFFFFF00)
    notes = decode(bytes(content)).notes
    assert [note for note in notes if "damaged" in note] == list(notes)
    assert "(and 299 remarks more)" in notes[0]
    assert logged.buffer == []
