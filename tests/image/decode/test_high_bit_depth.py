"""Layouts of samples that other programs write, and neither Pillow nor tifffile reads alone."""

import io
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile

from upscaled.errors import ImageTooLarge, UnsupportedImage
from upscaled.image.decode.decode import decode
from upscaled.image.decode.frames import open_frames
from upscaled.image.decode.probe import probe
from upscaled.image.metadata import exif
from upscaled.image.metadata.ifd import LONG, SHORT, Layout, TagEntry

Make = Any
_LAYOUT = Layout("<")
_LZW = 5


def shorts(*values: int) -> TagEntry:
    return TagEntry(SHORT, len(values), np.array(values, "<u2").tobytes())


def longs(*values: int) -> TagEntry:
    return TagEntry(LONG, len(values), np.array(values, "<u4").tobytes())


def tiff(strips: list[bytes], size: tuple[int, int], **tags: TagEntry) -> bytes:
    """Of these strips and tags, by name; one strip for each plane, or one in all."""
    numbers = {
        "bits": 258,
        "compression": 259,
        "kind": 262,
        "samples": 277,
        "planes": 284,
        "predictor": 317,
    }
    content = bytearray(_LAYOUT.header())
    places = []
    for strip in strips:
        places.append(len(content))
        content += strip
    directory = {
        256: shorts(size[0]),
        257: shorts(size[1]),
        259: shorts(1),
        273: longs(*places),
        278: shorts(size[1]),
        279: longs(*map(len, strips)),
    } | {numbers[name]: entry for name, entry in tags.items()}
    return exif.pointed(content, _LAYOUT, _LAYOUT.append(content, directory))


def packed(samples: Any, bits: int) -> bytes:
    """Rows of samples without a gap between them, each row from a new byte on."""
    rows = samples.reshape(samples.shape[0], -1, 1).astype(">u2").view(np.uint8)
    whole = np.unpackbits(rows.reshape(*rows.shape[:2], 2), axis=2)[..., 16 - bits :]
    return np.packbits(whole.reshape(samples.shape[0], -1), axis=1).tobytes()


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("channels", [1, 3])
def test_packed_samples_fill_the_range_of_sixteen_bits(
    make: Make, bits: int, channels: int
) -> None:
    samples = make.pixels(9, 13, channels, bits=16) >> (16 - bits)
    samples[0, 0], samples[0, 1] = 0, 2**bits - 1
    content = tiff(
        [packed(samples, bits)],
        (13, 9),
        bits=shorts(*[bits] * channels),
        kind=shorts(2 if channels == 3 else 1),
        samples=shorts(channels),
    )
    found = decode(content)
    assert (found.colour.dtype, found.gray) == (np.uint16, channels == 1)
    assert (found.colour.min(), found.colour.max()) == (0, 65_535)
    wanted = np.rint(samples * (65_535 / (2**bits - 1)))
    assert np.abs(found.colour[..., :channels] - wanted).max() <= 1


@pytest.mark.parametrize("bits", [8, 16])
def test_channels_that_are_stored_apart_are_put_together(make: Make, bits: int) -> None:
    """OpenCV alone takes them for pixels, and gives another picture without a word."""
    samples = make.pixels(9, 13, 3, bits=bits)
    strips = []
    for plane in np.moveaxis(samples, 2, 0):
        alone = bytes(cv2.imencode(".tif", plane, [cv2.IMWRITE_TIFF_COMPRESSION, _LZW])[1])
        with tifffile.TiffFile(io.BytesIO(alone)) as file:
            page = file.pages[0]
            assert page.predictor in (1, 2)
            predictor = page.predictor
            at, size = page.dataoffsets[0], page.databytecounts[0]
            strips.append(alone[at : at + size])
    content = tiff(
        strips,
        (13, 9),
        bits=shorts(bits, bits, bits),
        compression=shorts(_LZW),
        kind=shorts(2),
        samples=shorts(3),
        planes=shorts(2),
        **({} if predictor == 1 else {"predictor": shorts(2)}),
    )
    assert np.array_equal(decode(content).colour, samples)


def test_a_palette_of_sixteen_bits_gives_its_colours(make: Make) -> None:
    palette = make.rng.integers(0, 65_536, (3, 65_536), np.uint16)
    indices = make.pixels(9, 13, 1, bits=16)[..., 0]
    stream = io.BytesIO()
    tifffile.imwrite(stream, indices, photometric="palette", colormap=palette)
    found = decode(stream.getvalue())
    assert not found.gray
    assert np.array_equal(found.colour, np.moveaxis(palette[:, indices], 0, 2))


def test_inks_as_floats_are_refused_and_not_shown_as_light(make: Make) -> None:
    stream = io.BytesIO()
    inks = make.rng.random((9, 13, 4), np.float32)
    tifffile.imwrite(stream, inks, photometric="separated")
    with pytest.raises(UnsupportedImage, match="SEPARATED in 32 bits") as refused:
        decode(stream.getvalue())
    assert refused.value.hint


def test_gray_of_three_channels_that_differ_keeps_them(make: Make) -> None:
    samples = make.pixels(9, 13, 3, bits=16)
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, photometric="minisblack", planarconfig="contig")
    found = decode(stream.getvalue())
    assert not found.gray
    assert np.array_equal(found.colour, samples)


@pytest.mark.parametrize(("extra", "has_alpha"), [(0, False), (1, True), (2, True)])
def test_a_fourth_channel_is_transparency_only_where_it_may_be(
    make: Make, extra: int, has_alpha: bool
) -> None:
    samples = make.pixels(9, 13, 4, bits=16)
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, photometric="rgb", extrasamples=[extra])
    found = decode(stream.getvalue())
    assert (found.alpha is not None) is has_alpha
    assert bool(found.notes) is not has_alpha


def test_the_image_of_a_deep_apng_is_not_a_frame_of_its_film(make: Make) -> None:
    still, film = make.pixels(9, 13, bits=16), make.pixels(9, 13, bits=16)
    content, other = make.deep(still, ".png"), make.deep(film, ".png")
    at = other.index(b"IDAT") - 4
    size = int.from_bytes(other[at : at + 4], "big")
    control = bytes(3)
    frame = (13).to_bytes(4, "big") + (9).to_bytes(4, "big") + bytes(8) + b"\0\1\0\x0a" + b"\0\0"
    added = (
        make.chunk(b"fcTL", control + b"\0" + frame)
        + make.chunk(b"fdAT", b"\0\0\0\1" + other[at + 8 : at + 8 + size])
        + make.chunk(b"fcTL", b"\0\0\0\2" + frame)
        + make.chunk(b"fdAT", b"\0\0\0\3" + other[at + 8 : at + 8 + size])
    )
    end = content.index(b"IEND") - 4
    animated = make.png_with(content[:end], b"acTL", b"\0\0\0\2" + bytes(4)) + added + content[end:]
    assert np.array_equal(decode(animated).colour, still)


def test_a_frame_far_larger_than_its_canvas_is_refused_before_it_is_painted(make: Make) -> None:
    content = make.file(make.pixels(8, 8), "GIF")
    at = content.index(b",\0\0\0\0\x08\0\x08\0")
    wide = content[: at + 5] + b"\xff\xff\xff\xff" + content[at + 9 :]
    with pytest.raises(ImageTooLarge, match="65535"):
        decode(wide, max_px=100_000_000)
    both = content[:-1] + wide[at:-1] + b";"
    with pytest.raises(ImageTooLarge, match="65535"):
        open_frames(both, max_px=100_000_000)


@pytest.mark.parametrize("orientation", [1, 6])
def test_the_header_says_how_large_a_turned_tiff_is(make: Make, orientation: int) -> None:
    content = make.tiff_with_orientation(make.file(make.pixels(9, 13), "TIFF"), orientation)
    image_info, picture = probe(content), decode(content)
    assert (image_info.width_px, image_info.height_px) == (picture.width_px, picture.height_px)
