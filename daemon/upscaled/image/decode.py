"""Bytes to a Picture. Content decides, never the file's name."""

import io
import warnings
from dataclasses import replace
from typing import Any

from PIL import Image, UnidentifiedImageError

from upscaled.errors import (
    ImageTooLarge,
    TruncatedImage,
    UnreadableImage,
    UpscaledError,
)
from upscaled.image import orientation
from upscaled.image.cutoff import is_cut_off
from upscaled.image.deep import deep_planes, is_deep, turns_upright
from upscaled.image.picture import Picture
from upscaled.image.planes import planes_of

MAX_INPUT_PX = 500_000_000
"""Far above any camera; a bomb of a few kB claims 4 × 10⁹."""

# How a TIFF lays out its own pixels (TIFF 6.0, section 8 and 15; DNG): copied into another file,
# these would point anywhere.
_LAYOUT_TAGS = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 266, 273, 277, 278, 279, 284, 288, 289, 292, 293, 317}
    | {320, 322, 323, 324, 325, 330, 332, 333, 334, 336, 338, 339, 340, 341, 347, 512, 513, 514}
    | {515, 517, 518, 519, 520, 521, 529, 530, 531, 532, 34675}
)

# Pillow's own limit warns at one size and raises at another; ours is checked before any pixel.
Image.MAX_IMAGE_PIXELS = None


def decode(content: bytes) -> Picture:
    """The picture in a file's bytes, upright.

    Raises:
        TruncatedImage: the file ends before its image does.
        UnreadableImage: it is no image, or is damaged.
        UnsupportedImage: an image of a kind that is not handled.
        ImageTooLarge: more than `MAX_INPUT_PX`.
    """
    if not content:
        raise UnreadableImage("the file is empty")
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata (a broken EXIF block): the pixels are what we are for.
            warnings.simplefilter("ignore")
            return _decode(content)
    except MemoryError as error:
        raise ImageTooLarge("the image does not fit in memory") from error
    except UpscaledError:
        raise
    except Exception as error:
        # Whatever the parsers raise at bytes that are not to be trusted: TypeError, cv2.error …
        raise _meaning(error, content) from error


def _meaning(error: Exception, content: bytes) -> UnreadableImage:
    known = not isinstance(error, UnidentifiedImageError)
    if _says_truncated(error) or is_cut_off(content):
        detail = f": {error}" if known else ""
        return TruncatedImage(f"the image ends too early{detail}")
    if known:
        return UnreadableImage(f"the image is damaged: {error}")
    return UnreadableImage("not an image in any format that is known here")


def _says_truncated(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, EOFError) or any(
        word in text for word in ("truncated", "not enough", "unexpected end", "incomplete", "eof")
    )


def _decode(content: bytes) -> Picture:
    with Image.open(io.BytesIO(content)) as image:
        if image.width * image.height > MAX_INPUT_PX:
            raise ImageTooLarge(
                f"{image.width}×{image.height} px is more than {MAX_INPUT_PX // 1_000_000} MP",
                hint="cut it into parts first",
            )
        deep = is_deep(content, image)
        icc = image.info.get("icc_profile") or None
        planes = deep_planes(content, icc) if deep else planes_of(image)
        picture = Picture(
            planes.colour,
            planes.alpha,
            gray=planes.gray,
            format=image.format or "PNG",
            icc=planes.icc,
            dpi=_dpi(image.info.get("dpi")),
            notes=_frame_notes(image) + planes.notes,
        )
        return _with_exif(picture, image, turned=deep and turns_upright(content))


def _frame_notes(image: Image.Image) -> tuple[str, ...]:
    frames = getattr(image, "n_frames", 1)
    if frames == 1:
        return ()
    return (f"only the first of its {frames} frames was upscaled",)


def _dpi(value: Any) -> tuple[float, float] | None:
    try:
        x, y = float(value[0]), float(value[1])
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    return (x, y) if 0 < x < 1e5 and 0 < y < 1e5 else None


def _with_exif(picture: Picture, image: Image.Image, *, turned: bool) -> Picture:
    try:
        exif = image.getexif()
        stored = int(exif.pop(orientation.TAG, 1))
        for tag in _LAYOUT_TAGS & set(exif):
            del exif[tag]
        kept = exif.tobytes() if len(exif) else None
    except Exception:  # noqa: BLE001 (whatever a broken block makes Pillow raise, pixels go on)
        return replace(picture, notes=(*picture.notes, "its EXIF block is broken and was left out"))
    picture = replace(picture, exif=kept)
    if turned or stored == 1:
        return picture
    return replace(
        picture,
        colour=orientation.upright(picture.colour, stored),
        alpha=None if picture.alpha is None else orientation.upright(picture.alpha, stored),
    )
