"""Bytes to a Picture. Content decides, never the file's name."""

import io
import warnings
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from upscaled.errors import (
    ImageTooLarge,
    TruncatedImage,
    UnreadableImage,
    UnsupportedImage,
    UpscaledError,
)
from upscaled.image.cutoff import is_cut_off
from upscaled.image.picture import Picture, Samples

MAX_INPUT_PX = 500_000_000
"""Far above any camera; a bomb of a few kB claims 4 × 10⁹."""

_ORIENTATION = 0x0112
_BITS_PER_SAMPLE = 258
# How a TIFF lays out its own pixels (TIFF 6.0, section 8 and 15; DNG): copied into another file,
# these would point anywhere.
_LAYOUT_TAGS = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 266, 273, 277, 278, 279, 284, 288, 289, 292, 293, 317}
    | {320, 322, 323, 324, 325, 330, 332, 333, 334, 336, 338, 339, 340, 341, 347, 512, 513, 514}
    | {515, 517, 518, 519, 520, 521, 529, 530, 531, 532, 34675}
)
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# Pillow's own limit warns at one size and raises at another; ours is checked before any pixel.
Image.MAX_IMAGE_PIXELS = None
# What is wrong with a file is told once, by the exception.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


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
        picture = Picture(
            colour=np.zeros((1, 1, 3), np.uint8),
            format=image.format or "PNG",
            icc=image.info.get("icc_profile") or None,
            dpi=_dpi(image.info.get("dpi")),
            notes=_frame_notes(image),
        )
        if _is_deep(content, image):
            # OpenCV turns a TIFF upright whatever it is told (TiffDecoder::readData).
            is_tiff = not content.startswith(_PNG_SIGNATURE)
            return _with_exif(replace(picture, **_deep(content)), image, upright=is_tiff)
        return _from_pillow(picture, image)


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


def _is_deep(content: bytes, image: Image.Image) -> bool:
    """Whether it holds colour in 16 bits, which Pillow would cut to 8 without a word."""
    if content.startswith(_PNG_SIGNATURE):
        depth, kind = content[24], content[25]
        return depth == 16 and kind in (2, 4, 6)
    if content.startswith(_TIFF_SIGNATURES):
        bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,))
        return len(bits) > 1 and max(bits) == 16
    return False


def _deep(content: bytes) -> dict[str, Any]:
    samples = cv2.imdecode(
        np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    )
    if samples is None:
        raise ValueError("OpenCV cannot read its 16-bit samples")
    if samples.dtype == np.uint16:
        return _from_bgr(samples.astype(np.uint16, copy=False), gray=_is_gray_png(content))
    raise UnsupportedImage(f"samples of type {samples.dtype} are not handled")


def _is_gray_png(content: bytes) -> bool:
    return content.startswith(_PNG_SIGNATURE) and content[25] in (0, 4)


def _from_bgr(samples: Samples, *, gray: bool) -> dict[str, Any]:
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    if channels not in (3, 4):
        raise UnsupportedImage(f"{channels} channels of 16 bits are not handled")
    fields: dict[str, Any] = {"colour": np.ascontiguousarray(samples[..., 2::-1]), "gray": gray}
    if channels == 4:
        fields["alpha"] = np.ascontiguousarray(samples[..., 3])
    return fields


def _split(samples: Samples) -> dict[str, Any]:
    return {
        "colour": np.ascontiguousarray(samples[..., :3]),
        "alpha": np.ascontiguousarray(samples[..., 3]),
    }


def _from_pillow(picture: Picture, image: Image.Image) -> Picture:
    image.load()
    upright = ImageOps.exif_transpose(image)
    mode = upright.mode
    if mode in ("1", "L", "I;16", "I;16L", "I;16B", "I"):
        picture = replace(picture, colour=_gray(upright), gray=True)
        if "transparency" in image.info and mode == "L":
            picture = replace(picture, **_split(np.array(upright.convert("RGBA"))))
    elif mode == "LA":
        rgba = np.array(upright.convert("RGBA"))
        picture = replace(picture, gray=True, **_split(rgba))
    elif mode in ("P", "PA", "RGBA", "RGBa") or "transparency" in upright.info:
        picture = replace(picture, **_split(np.array(upright.convert("RGBA"))))
    elif mode == "F":
        raise UnsupportedImage("32-bit float samples are not handled")
    else:
        picture = _to_rgb(picture, upright)
    if picture.alpha is not None and bool(
        (picture.alpha == np.iinfo(picture.alpha.dtype).max).all()
    ):
        picture = replace(picture, alpha=None)
    return _with_exif(picture, image, upright=True)


def _gray(image: Image.Image) -> Samples:
    if image.mode in ("1", "L"):
        plane: Samples = np.asarray(image.convert("L"))
    else:
        # Mode I is what Pillow gives for 16-bit gray in some formats.
        plane = np.clip(np.asarray(image, dtype=np.int64), 0, 65535).astype(np.uint16)
    return np.ascontiguousarray(np.repeat(plane[..., None], 3, axis=2))


def _to_rgb(picture: Picture, image: Image.Image) -> Picture:
    if image.mode == "RGB":
        return replace(picture, colour=np.array(image))
    notes = picture.notes
    rgb: Image.Image | None = None
    if picture.icc and image.mode in ("CMYK", "LAB"):
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(picture.icc))
            rgb = ImageCms.profileToProfile(
                image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError):
            notes = (*notes, "its colour profile is broken and was left out")
    if rgb is None:
        rgb = image.convert("RGB")
    return replace(
        picture,
        colour=np.array(rgb),
        icc=None,
        notes=(*notes, f"converted from {image.mode} to sRGB"),
    )


def _with_exif(picture: Picture, image: Image.Image, *, upright: bool) -> Picture:
    try:
        exif = image.getexif()
        orientation = int(exif.pop(_ORIENTATION, 1))
        for tag in _LAYOUT_TAGS & set(exif):
            del exif[tag]
        kept = exif.tobytes() if len(exif) else None
    except Exception:  # noqa: BLE001 (whatever a broken block makes Pillow raise, pixels go on)
        return replace(picture, notes=(*picture.notes, "its EXIF block is broken and was left out"))
    picture = replace(picture, exif=kept)
    if upright or orientation == 1:
        return picture
    return replace(
        picture,
        colour=_turn(picture.colour, orientation),
        alpha=None if picture.alpha is None else _turn(picture.alpha, orientation),
    )


def _turn(samples: Samples, orientation: int) -> Samples:
    """EXIF 2.32, table 6: what to do to see the image upright."""
    turned = {
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: a.swapaxes(0, 1)[:, ::-1],
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: a.swapaxes(0, 1)[::-1],
    }.get(orientation, lambda a: a)(samples)
    return np.ascontiguousarray(turned)
