"""What a header says agrees with what the decoder finds."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from upscaled.errors import UnreadableImage
from upscaled.image.decode.decode import decode
from upscaled.image.decode.probe import probe
from upscaled.job import ImageInfo


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "PPM"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA"])
def test_a_header_says_what_the_pixels_are(make: Any, form: str, mode: str) -> None:
    pixels = make.pixels(channels=4)
    pixels[..., 3] //= 2
    image = Image.fromarray(pixels).convert(mode)
    try:
        content = make.file(image, form)
    except (OSError, KeyError):
        pytest.skip(f"{form} does not hold {mode}")
    found, picture = probe(content), decode(content)
    assert (found.width_px, found.height_px) == (20, 12)
    assert found.format == form.lower()
    assert found.alpha == (picture.alpha is not None)
    assert not found.animated
    if form != "GIF":
        # A palette that is all gray counts as gray: GIF has nothing else for it.
        assert found.gray == picture.gray


def test_a_gray_palette_is_gray(make: Any) -> None:
    gray = Image.fromarray(make.pixels(channels=3)).convert("L").convert("P")
    assert probe(make.file(gray, "GIF")).gray
    colour = Image.fromarray(make.pixels(channels=3)).quantize(16)
    assert not probe(make.file(colour, "PNG")).gray


@pytest.mark.parametrize("orientation", range(1, 9))
def test_width_and_height_are_those_of_the_upright_picture(make: Any, orientation: int) -> None:
    stored = make.turned(make.pixels(12, 20), orientation)
    content = make.file(stored, "JPEG", exif=make.exif(orientation=orientation))
    found = probe(content)
    assert (found.width_px, found.height_px) == (20, 12)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "AVIF"])
def test_several_frames_are_an_animation(make: Any, form: str) -> None:
    frames = [Image.fromarray(make.pixels()) for _ in range(3)]
    moving = make.file(frames[0], form, save_all=True, append_images=frames[1:])
    assert probe(moving).animated
    assert not probe(make.file(frames[0], form)).animated


def test_pages_of_a_tiff_are_no_animation(make: Any) -> None:
    pages = [Image.fromarray(make.pixels()) for _ in range(2)]
    content = make.file(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert not probe(content).animated


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bits_are_no_obstacle(make: Any, suffix: str, channels: int) -> None:
    found = probe(make.deep(make.pixels(channels=channels, bits=16), suffix))
    assert found == ImageInfo(20, 12, suffix[1:], gray=False, alpha=channels == 4, animated=False)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_what_is_no_image_is_told_as_the_decoder_tells_it(content: bytes) -> None:
    with pytest.raises(UnreadableImage) as decoded:
        decode(content)
    with pytest.raises(UnreadableImage) as probed:
        probe(content)
    assert str(probed.value) == str(decoded.value)


def test_pixels_are_not_decoded() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((3000, 4000, 3), np.uint8)).save(buffer, "PNG")
    # Not one byte of pixels is left: whoever reads them fails.
    header = buffer.getvalue()[:60]
    found = probe(header)
    assert (found.width_px, found.height_px) == (4000, 3000)
