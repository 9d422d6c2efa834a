"""Samples that Pillow would cut to 8 bits without a word, or cannot read: OpenCV and tifffile do.

tifffile reads every layout of samples, but few ways of compression; OpenCV the other way round.
"""

import io
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import tifffile
from PIL import Image

from upscaled.errors import UnsupportedImage
from upscaled.image.decode.planes import Planes, sixteen_bits, three
from upscaled.image.decode.tifffile_notes import remarks
from upscaled.image.metadata import ifd, png_chunks, tiff_page
from upscaled.image.picture import Samples

_WIDTH, _HEIGHT = 256, 257
_BITS, _COMPRESSION, _PHOTOMETRIC, _EXTRA, _FORMAT = 258, 259, 262, 338, 339
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_EASY_COMPRESSIONS = (1, 8, 32773, 32946)
"""None, deflate and PackBits, which tifffile reads by itself."""
_READ_COMPRESSIONS = frozenset({"NONE", "LZW", "JPEG", "ADOBE_DEFLATE", "DEFLATE", "PACKBITS"})
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE = 0, 1, 2, 3
_KINDS = (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE)
_UNSPECIFIED, _PREMULTIPLIED = 0, 1
_APART = 2
_DEEPER = ("AVIF", "JPEG2000", "PPM")
_SAME_LEVELS = 1.5
"""Of 255, between the means of two readers, which round and scale colour by their own ways."""
_FLOAT_DIFFERENCES = 3
_PACKED_BITS = (10, 12, 14)
"""Of samples that OpenCV unpacks, into the upper bits of 16."""
_READ_BITS = (1, 8, *_PACKED_BITS, 16, 32, 64)

# What is wrong with a file is told once, by the exception.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def is_tiff(content: bytes) -> bool:
    return content.startswith(_TIFF_SIGNATURES)


def is_deep(content: bytes, image: Image.Image) -> bool:
    """Whether it holds colour in more than 8 bits, or gray that Pillow misreads."""
    if content.startswith(png_chunks.SIGNATURE):
        depth, kind = content[24], content[25]
        return depth == 16 and kind in (2, 4, 6)
    tags = getattr(image, "tag_v2", None)
    if not is_tiff(content) or tags is None:
        return False
    bits = max(tags.get(_BITS, (8,)))
    return bits > 8 and tags.get(_PHOTOMETRIC) in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB)


def size_of(content: bytes) -> tuple[int, int]:
    """Width and height of a TIFF's first page.

    Raises:
        ValueError: it has none.
    """
    layout, directory, _ = ifd.first(content)
    return layout.number(directory.get(_WIDTH)), layout.number(directory.get(_HEIGHT))


def deep_planes(content: bytes, icc: bytes | None, page: int = 0) -> Planes:
    """A page of a TIFF, or the image of a PNG that `is_deep`.

    Raises:
        UnsupportedImage: samples of a kind that is not handled.
        ValueError, cv2.error: it cannot be read.
    """
    if content.startswith(png_chunks.SIGNATURE):
        return _of_png(content, icc)
    with remarks() as notes:
        planes = _of_tiff(content, icc, page)
    return replace(planes, notes=(*planes.notes, *notes))


def deeper_planes(content: bytes, image: Image.Image, bits: int) -> Planes | None:
    """What Pillow reads in 8 bits, in all that it has; None: OpenCV sees another picture.

    It does where gray does not use the full range, in AVIF of OpenCV 5.0: so it is compared.
    """
    if image.format not in _DEEPER or image.mode not in ("RGB", "RGBA"):
        return None
    samples: Any = cv2.imdecode(
        np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    )
    size = (image.height, image.width, len(image.mode))
    if samples is None or samples.dtype != np.uint16 or samples.shape != size:
        return None
    if image.format == "AVIF":
        samples = samples << (16 - bits) | samples >> (2 * bits - 16)
    whole = _rgb_order(samples)
    pillows = np.asarray(image)
    if any(
        abs(float(np.mean(whole[..., n])) / 257 - float(np.mean(pillows[..., n]))) > _SAME_LEVELS
        for n in range(len(image.mode))
    ):
        return None
    alpha = np.ascontiguousarray(whole[..., 3]) if len(image.mode) == 4 else None
    icc = image.info.get("icc_profile") or None
    return Planes(np.ascontiguousarray(whole[..., :3]), alpha, icc=icc)


def _of_tiff(content: bytes, icc: bytes | None, page: int) -> Planes:
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        found = file.pages[page]
        if not isinstance(found, tifffile.TiffPage):
            raise UnsupportedImage("a page without a directory of its own is not handled")
        if found.photometric not in _KINDS:
            raise UnsupportedImage(
                f"{found.samplesperpixel} channels of the kind {_name(found.photometric)} "
                f"in {found.bitspersample} bits are not handled",
                hint="save it as RGB or gray",
            )
        if found.compression in _EASY_COMPRESSIONS:
            try:
                return _of_page(found, icc)
            except (NotImplementedError, ValueError) as error:
                # Packed samples, and floats as differences, are nothing for tifffile alone.
                if "imagecodecs" not in str(error):
                    raise
            if found.predictor == _FLOAT_DIFFERENCES and found.bitspersample == 16:
                raise UnsupportedImage(
                    "16-bit floats stored as differences are not handled",
                    hint="save it without a predictor",
                )
        return _by_opencv(content, icc, found, page)


def _name(number: int) -> str:
    return str(getattr(number, "name", number))


def _of_png(content: bytes, icc: bytes | None) -> Planes:
    # OpenCV gives the first frame of an animation, which need not be the image.
    samples: Any = cv2.imdecode(
        np.frombuffer(png_chunks.still(content), np.uint8),
        cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION,
    )
    return _planes(_rgb_order(samples), icc, is_gray=content[25] in (0, 4))


def _by_opencv(content: bytes, icc: bytes | None, found: tifffile.TiffPage, page: int) -> Planes:
    method = _name(found.compression)
    if found.bitspersample not in _READ_BITS:
        raise UnsupportedImage(
            f"samples of {found.bitspersample} bits are not handled",
            hint="save it with 8 or 16 bits for each sample",
        )
    if found.photometric == _PALETTE or (found.photometric != _RGB and found.samplesperpixel > 1):
        raise UnsupportedImage(
            f"{found.samplesperpixel} channels compressed as {method} are not handled",
            hint="save it without compression",
        )
    samples: Any
    if found.planarconfig == _APART and found.samplesperpixel > 1:
        # OpenCV takes channels that are stored apart for pixels.
        planes = [_read(part, 0, method) for part in tiff_page.channels(content, found.offset)]
        samples = np.dstack(planes)
    else:
        samples = _rgb_order(_read(content, page, method))
    if found.bitspersample in _PACKED_BITS:
        samples = samples | (samples >> found.bitspersample)
    # OpenCV turns a TIFF upright whatever it is told (TiffDecoder::readData).
    return _planes(
        samples,
        icc,
        is_gray=found.photometric != _RGB,
        is_inverted=found.photometric == _WHITE_IS_ZERO,
        extra=found.extrasamples,
        is_upright=found.planarconfig != _APART or found.samplesperpixel == 1,
    )


def _read(content: bytes, page: int, method: str) -> Any:
    done, pages = cv2.imdecodemulti(
        np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED, range=(page, page + 1)
    )
    if not done or not pages:
        if method not in _READ_COMPRESSIONS:
            raise UnsupportedImage(
                f"deep samples compressed as {method} are not handled",
                hint="save it without compression",
            )
        raise ValueError("OpenCV cannot read its samples")
    return pages[0]


def _of_page(page: tifffile.TiffPage, icc: bytes | None) -> Planes:
    samples: Any = page.asarray()
    is_palette = page.photometric == _PALETTE
    if is_palette and page.colormap is not None:
        samples = np.moveaxis(page.colormap[:, samples], 0, -1)
    elif page.planarconfig == _APART and samples.ndim == 3:
        samples = np.moveaxis(samples, 0, 2)
    return _planes(
        samples,
        icc,
        is_gray=page.photometric != _RGB and not is_palette,
        is_inverted=page.photometric == _WHITE_IS_ZERO,
        extra=page.extrasamples,
    )


def _rgb_order(samples: Any) -> Any:
    if samples is None:
        raise ValueError("OpenCV cannot read its samples")
    if samples.ndim == 3 and samples.shape[2] >= 3:
        return np.concatenate([samples[..., 2::-1], samples[..., 3:]], axis=2)
    return samples


def _planes(
    samples: Any,
    icc: bytes | None,
    *,
    is_gray: bool,
    is_inverted: bool = False,
    extra: tuple[int, ...] = (),
    is_upright: bool = False,
) -> Planes:
    deep, notes = sixteen_bits(samples)
    whole: Any = deep
    if whole.ndim == 2:
        whole = whole[..., None]
    if is_inverted:
        whole = np.iinfo(whole.dtype).max - whole
    # OpenCV gives gray with transparency as three equal channels and a fourth.
    most = 1 if is_gray and whole.shape[2] <= 2 else 3
    if whole.ndim != 3 or whole.shape[2] < most:
        raise UnsupportedImage(f"samples of shape {whole.shape} are not handled")
    # Where nothing is said of what else there is, it is transparency, as for most readers.
    is_clear = whole.shape[2] > most and (not extra or extra[0] != _UNSPECIFIED)
    colour, alpha = whole[..., :most], whole[..., most] if is_clear else None
    if (others := whole.shape[2] - most - is_clear) > 0:
        notes = (*notes, f"{others} more channels of it were left out")
    if alpha is not None and _PREMULTIPLIED in extra:
        colour = _divided(colour, alpha)
    is_gray = is_gray and (most == 1 or bool((colour == colour[..., :1]).all()))
    return Planes(
        three(colour[..., 0]) if most == 1 else np.ascontiguousarray(colour),
        None if alpha is None else np.ascontiguousarray(alpha),
        gray=is_gray,
        icc=icc,
        notes=notes,
        is_upright=is_upright,
    )


def _divided(colour: Samples, alpha: Samples) -> Samples:
    """TIFF 6.0, section 18: colour that was multiplied with its alpha, as it was before."""
    full = np.iinfo(colour.dtype).max
    share = np.maximum(alpha.astype(np.float64), 1)[..., None] / full
    straight: Any = np.rint(np.minimum(colour / share, full)).astype(colour.dtype)
    return np.ascontiguousarray(straight)
