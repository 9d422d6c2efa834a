"""Bytes to a Picture. Content decides, never the file's name."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from PIL import Image, UnidentifiedImageError

from upscaled.errors import (
    ImageTooLarge,
    JobError,
    TruncatedImage,
    UnreadableImage,
    UnsupportedImage,
    UpscaledError,
)
from upscaled.image.decode import heif, orientation
from upscaled.image.decode.depth import bits_of
from upscaled.image.decode.high_bit_depth import (
    deep_planes,
    deeper_planes,
    is_deep,
    is_tiff,
    size_of,
)
from upscaled.image.decode.planes import Planes, checked, planes_of
from upscaled.image.decode.readers import opened
from upscaled.image.decode.truncation import is_cut_off
from upscaled.image.metadata import cicp, metadata
from upscaled.image.picture import Picture

_JXL = (b"\xff\x0a", b"\0\0\0\x0cJXL ")
"""JPEG XL does not always say how long it is, nor its reader why it gave up."""

MAX_INPUT_PX = 500_000_000
"""Far above any camera; a bomb of a few kB claims 4 × 10⁹."""


Expect = Callable[[int], None]
"""Called with the number of pixels to be decoded next, from which a time limit follows."""


def expect_any(_: int) -> None:
    pass


def decode(content: bytes, max_px: int = MAX_INPUT_PX, expect: Expect = expect_any) -> Picture:
    """The picture in a file's bytes, upright.

    Raises:
        TruncatedImage: the file ends before its image does.
        UnreadableImage: it is no image, or is damaged.
        UnsupportedImage: an image of a kind that is not handled.
        ImageTooLarge: more than `max_px` pixels.
    """
    if not content:
        raise UnreadableImage("the file is empty")
    with explained(content):
        return _decode(content, max_px, expect)


@contextmanager
def explained(content: bytes) -> Iterator[None]:
    """Whatever parsers say inside of these bytes, as one of the errors of `decode`."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata (a broken EXIF block): the pixels are what we are for.
            warnings.simplefilter("ignore")
            yield
    except MemoryError as error:
        raise ImageTooLarge("the image does not fit in memory") from error
    except UpscaledError:
        raise
    except Exception as error:
        # Whatever the parsers raise at bytes that are not to be trusted: TypeError, cv2.error …
        raise _meaning(error, content) from error


def _meaning(error: Exception, content: bytes) -> JobError:
    known = not isinstance(error, UnidentifiedImageError)
    is_arriving = is_cut_off(content)
    if known and not is_arriving and _says_unsupported(error):
        return UnsupportedImage(
            f"unsupported image type: {error}", hint="convert it to PNG or TIFF"
        )
    if _says_truncated(error) or is_arriving or content.startswith(_JXL):
        detail = f": {error}" if known else ""
        return TruncatedImage(f"the image ends too early{detail}")
    if known:
        return UnreadableImage(f"the image is damaged: {error}")
    return UnreadableImage("not an image in any format that is known here")


def _says_unsupported(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, NotImplementedError) or any(
        word in text
        for word in (
            "unsupported",
            "not supported",
            "not implemented",
            "requires the",
            "cannot handle",
        )
    )


def _says_truncated(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, EOFError) or any(
        word in text for word in ("truncated", "not enough", "unexpected end", "incomplete", "eof")
    )


def _decode(content: bytes, max_px: int, expect: Expect) -> Picture:
    try:
        image = opened(content)
    except UnidentifiedImageError:
        if not is_tiff(content):
            raise
        # Pillow knows TIFFs by their layout of samples, and not all that there are.
        return _of_tiff(content, max_px, expect)
    with image:
        expect(check_input(image.width, image.height, max_px))
        check_parts(image, max_px)
        found = metadata.read(content, image.info)
        stored_bits = bits_of(content, image)
        colours = cicp.chunks_of(content, image.info)
        picture = _picture(first_frame(content, image, stored_bits), found, image.format or "PNG")
        if stored_bits > 8 and picture.colour.dtype == np.uint8:
            told = f"its samples have {stored_bits} bits, and were read in 8"
            picture = replace(picture, notes=(*picture.notes, told))
        return replace(
            picture,
            colour_space=colours if picture.icc is None else (),
            is_lossless=content[12:16] == b"VP8L",
        )


def _of_tiff(content: bytes, max_px: int, expect: Expect) -> Picture:
    expect(check_input(*size_of(content), max_px))
    found = metadata.read(content, {})
    return _picture(checked(deep_planes(content, metadata.profile_of_tiff(content))), found, "TIFF")


def _picture(planes: Planes, found: metadata.FoundMetadata, form: str) -> Picture:
    turn = 1 if planes.is_upright else found.orientation
    alpha = planes.alpha
    return Picture(
        orientation.upright(planes.colour, turn),
        None if alpha is None else orientation.upright(alpha, turn),
        gray=planes.gray,
        format=form,
        icc=planes.icc,
        metadata=found.metadata,
        notes=planes.notes + found.notes,
    )


def first_frame(content: bytes, image: Image.Image, stored_bits: int) -> Planes:
    """The frame that `image` stands at after it was opened, as it is stored.

    Raises:
        UnsupportedImage, OSError, ValueError: as the readers say.
    """
    icc = image.info.get("icc_profile") or None
    if is_deep(content, image):
        return checked(deep_planes(content, icc))
    if image.format == "HEIF" and stored_bits > 8:
        return checked(heif.deep_planes(content, icc))
    deeper = deeper_planes(content, image, stored_bits) if stored_bits > 8 else None
    if deeper is not None:
        return checked(deeper)
    return checked(planes_of(image))


def check_parts(image: Image.Image, max_px: int) -> None:
    """Of a frame that is larger than its canvas, which grows with it while it is loaded.

    Raises:
        ImageTooLarge: as `check_input`.
    """
    for tile in getattr(image, "tile", ()):
        if tile[1]:
            left, top, right, bottom = tile[1]
            check_input(right - left, bottom - top, max_px)


def check_input(width_px: int, height_px: int, max_px: int) -> int:
    """How many pixels that are.

    Raises:
        ImageTooLarge: more than allowed; told before any is decoded.
    """
    if width_px * height_px > max_px:
        raise ImageTooLarge(
            f"{width_px}×{height_px} px is more than {max_px / 1e6:g} MP",
            hint="cut it into parts first, or raise `source_limit_mp` of its rule",
        )
    return width_px * height_px
