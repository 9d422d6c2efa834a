"""Colour spaces and the profiles that name them."""

import io

from PIL import Image, ImageCms


def to_srgb(
    image: Image.Image, icc: bytes | None
) -> tuple[Image.Image, bytes | None, tuple[str, ...]]:
    """CMYK, Lab, YCbCr and HSV as RGB; the profile that is then true, and what is to be said."""
    notes: tuple[str, ...] = ()
    rgb: Image.Image | None = None
    if icc and image.mode in ("CMYK", "LAB"):
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            rgb = ImageCms.profileToProfile(
                image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError):
            notes = ("its colour profile is broken and was left out",)
    if rgb is None:
        rgb = image.convert("RGB")
    return rgb, None, (*notes, f"converted from {image.mode} to sRGB")
