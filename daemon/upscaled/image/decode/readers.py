"""Which of Pillow's readers untrusted bytes may reach, and those that extras bring."""

import importlib
import io

from PIL import Image, UnidentifiedImageError

from upscaled.errors import UnsupportedImage

_NO_PICTURES = frozenset({"BUFR", "GRIB", "HDF5", "MPEG", "WMF"})
"""Known by their first bytes only: there is nothing in Pillow that draws them."""
_PROGRAMS = frozenset({"EPS"})
"""Read by running Ghostscript on what somebody dropped."""
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_JXL_SIGNATURES = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
_FORMATS: list[str] = []

# Pillow's own limit warns at one size and raises at another; ours is checked before any pixel.
Image.MAX_IMAGE_PIXELS = None


def opened(content: bytes) -> Image.Image:
    """The image's header, read; content decides, whatever the file is called.

    Raises:
        UnsupportedImage: a format that needs an extra, or that holds no picture.
        UnidentifiedImageError: no image.
    """
    try:
        return Image.open(io.BytesIO(content), formats=known())
    except UnidentifiedImageError as error:
        name, extra = _missing(content)
        if name:
            raise UnsupportedImage(
                f"{name} cannot be read by this installation",
                hint=f'install the extra: python3 -m pip install "upscaled[{extra}]"',
            ) from error
        raise


def known() -> list[str]:
    """Pillow's names of the formats that are read here."""
    if not _FORMATS:
        has("heif")
        has("jxl")
        Image.init()
        _FORMATS.extend(sorted(set(Image.OPEN) - _NO_PICTURES - _PROGRAMS))
    return _FORMATS


def has(extra: str) -> bool:
    """Whether the extra is installed; if so, Pillow knows its format from now on."""
    try:
        if extra == "heif":
            heif = importlib.import_module("pillow_heif")
            # A phone's HEIC names several images: the primary one is the picture.
            heif.register_heif_opener(thumbnails=False)
        else:
            importlib.import_module("pillow_jxl")
    except ImportError:
        return False
    return True


def _missing(content: bytes) -> tuple[str, str]:
    if content[4:8] == b"ftyp" and content[8:12] in _HEIF_BRANDS and "HEIF" not in known():
        return "HEIC", "heif"
    if content.startswith(_JXL_SIGNATURES) and "JXL" not in known():
        return "JPEG XL", "jxl"
    return "", ""
