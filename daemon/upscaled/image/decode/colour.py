"""Colour spaces and the profiles that name them.

The convention: numbers go through the network as their profile means them, and the profile goes
with them, so that no conversion rounds or clips anything. Networks are trained on sRGB; Display P3
has its very tone curve, and Adobe RGB's differs by less than a photograph's exposure. Only what
is no RGB at all (CMYK, Lab) is converted, to sRGB, by LittleCMS.
"""

import functools
import io
from typing import Any

from PIL import Image, ImageCms

Notes = tuple[str, ...]
_BROKEN = "its colour profile is broken and was left out"
_HEADER_BYTES = 128
_SPACES = {"LAB": "Lab ", "CMYK": "CMYK"}


@functools.cache
def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def fitting(icc: bytes | None, *, gray: bool) -> tuple[bytes | None, Notes]:
    """The profile, if it can be read and is one of these colours; else what is to be said."""
    if icc is None:
        return None, ()
    space = _space(icc)
    if space is None:
        return None, (_BROKEN,)
    wanted = "GRAY" if gray else "RGB "
    if space != wanted:
        told = f"its colour profile is for {space.strip()}, not {wanted.strip()}, and was left out"
        return None, (told,)
    return icc, ()


def _space(icc: bytes) -> str | None:
    if len(icc) < _HEADER_BYTES or icc[36:40] != b"acsp":
        return None
    try:
        return str(ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.xcolor_space)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def to_srgb(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None, Notes]:
    """CMYK, Lab, YCbCr and HSV as RGB; the profile that is then true, and what is to be said."""
    notes: Notes = ()
    told = f"converted from {image.mode} to sRGB"
    space = _space(icc) if icc else None
    if image.mode == "LAB":
        # Lab means its colours by itself (D50); a profile could only say the same.
        rgb = _converted(image, ImageCms.createProfile("LAB"))
        return rgb, srgb(), (told,)
    if icc and space == _SPACES.get(image.mode):
        try:
            rgb = _converted(image, ImageCms.ImageCmsProfile(io.BytesIO(icc)))
        except (ImageCms.PyCMSError, OSError):
            notes = (_BROKEN,)
        else:
            return rgb, srgb(), (f"{told} by its profile",)
    elif icc and image.mode == "CMYK":
        notes = (_BROKEN,)
    return image.convert("RGB"), srgb(), (*notes, told)


def _converted(image: Image.Image, profile: Any) -> Image.Image:
    made = ImageCms.profileToProfile(
        image,
        profile,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if made is None:
        raise ImageCms.PyCMSError("no image came back")
    return made
