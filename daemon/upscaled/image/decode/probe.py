"""What the header of an image says, without its pixels: for rules that ask for it."""

import io
import warnings

from PIL import Image

from upscaled.errors import ImageTooLarge, UnreadableImage
from upscaled.image.decode.decode import MAX_INPUT_PX, decode
from upscaled.job import ImageInfo

_WIDTH, _HEIGHT, _ORIENTATION = 256, 257, 0x0112
_TURNED = range(5, 9)
"""EXIF orientations that exchange width and height."""
_GRAY = frozenset(("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F"))
_ALPHA = frozenset(("LA", "La", "PA", "RGBA", "RGBa"))
_ANIMATED = frozenset(("GIF", "PNG", "WEBP", "AVIF", "JXL"))
"""Formats whose frames are meant to follow each other; pages of a TIFF are not."""


def probe(content: bytes) -> ImageInfo:
    """What the file says of its picture. "Gray" and "alpha" are how it is stored.

    Raises:
        UnreadableImage, UnsupportedImage, ImageTooLarge: as `image.decode.decode`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata, as in `decode`
            return _of_header(content)
    except Exception:  # noqa: BLE001 (whatever a parser raises at bytes that are not to be trusted)
        # What Pillow cannot open may still be read, and what nobody can read has a better reason.
        return _of_pixels(content)


def _of_header(content: bytes) -> ImageInfo:
    with Image.open(io.BytesIO(content)) as image:
        name = image.format
        if name is None:
            raise UnreadableImage("an image of no format")
        width, height = image.size
        if width * height > MAX_INPUT_PX:
            raise ImageTooLarge("told by decode")
        tags = getattr(image, "tag_v2", {})
        # Pillow's size of a TIFF is that of the upright image, or was not, by version.
        width, height = tags.get(_WIDTH, width), tags.get(_HEIGHT, height)
        if _orientation(image) in _TURNED:
            width, height = height, width
        return ImageInfo(
            width_px=width,
            height_px=height,
            format=name.lower(),
            gray=image.mode in _GRAY or _is_gray_palette(image),
            alpha=image.mode in _ALPHA or "transparency" in image.info,
            animated=name in _ANIMATED and bool(getattr(image, "is_animated", False)),
        )


def _of_pixels(content: bytes) -> ImageInfo:
    picture = decode(content)
    return ImageInfo(
        width_px=picture.width_px,
        height_px=picture.height_px,
        format=picture.format.lower(),
        gray=picture.gray,
        alpha=picture.alpha is not None,
        animated=False,
    )


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 (a broken block: `decode` leaves it out too)
        return 1


def _is_gray_palette(image: Image.Image) -> bool:
    if image.mode != "P" or image.palette is None:
        return False
    colours = image.palette.getdata()[1]
    mode = image.palette.mode
    step = len(mode)
    if not mode.startswith("RGB") or not colours:
        return False
    return all(
        colours[at] == colours[at + 1] == colours[at + 2]
        for at in range(0, len(colours) - step + 1, step)
    )
