"""A Picture to the bytes of a file."""

import io
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from upscaled.errors import UnsupportedImage
from upscaled.formats import FORMATS, STREAMED, Format, check_size
from upscaled.image.decode import heif, readers
from upscaled.image.encode import tiff
from upscaled.image.filters import alpha as transparency
from upscaled.image.metadata import cicp, exif, jpeg_segments, png_chunks, xmp
from upscaled.image.metadata.metadata import Metadata
from upscaled.image.picture import Picture, Samples
from upscaled.recipe import OutputOptions

_BAND_ROWS = 64
_WORDS = {
    "xmp": "XMP packet",
    "iptc": "IPTC record",
    "comment": "comment",
    "texts": "text chunks of PNG",
    "dpi": "resolution",
}


def encode(
    picture: Picture,
    name: str,
    encoding: OutputOptions | None = None,
    software: str | None = None,
    *,
    is_big: bool = False,
) -> tuple[bytes, tuple[str, ...]]:
    """The file's bytes, and what could not be kept.

    `software` is what its metadata says that it was made by; `is_big`: a TIFF is to be a BigTIFF.

    Raises:
        ImageTooLarge: the format cannot hold it.
        UnsupportedImage: the extra that brings this format is not installed.
    """
    form, encoding = FORMATS[name], encoding or OutputOptions()
    check_size(name, picture.width_px, picture.height_px)
    check_extra(name)
    samples, notes = _samples(picture, name, form)
    kept = picture.metadata if encoding.metadata == "keep" else Metadata(dpi=picture.metadata.dpi)
    if kept.xmp:
        kept = replace(kept, xmp=xmp.sized(kept.xmp, picture.width_px, picture.height_px))
    block = exif.finished(
        kept.exif, width_px=picture.width_px, height_px=picture.height_px, software=software
    )
    notes += [
        f"{name} cannot hold its {what}, which was left out"
        for field, what in _WORDS.items()
        if getattr(kept, field) and field not in form.words
    ]
    if name == "tiff":
        content = tiff.encode(samples, picture.icc, kept, block, encoding, is_big=is_big)
        return content, tuple(notes + _untold_colours(picture, name))
    if name == "png":
        content = _png(samples, encoding)
        return png_chunks.with_chunks(content, _chunks(picture, kept, block)), tuple(notes)
    options = _options(picture, form, encoding, kept, block)
    if name == "jpeg":
        notes += jpeg_segments.fit(options, kept)
    notes += _untold_colours(picture, name)
    if samples.dtype == np.uint16:  # PNG and TIFF have been dealt with
        return heif.encode_deep(samples, options), tuple(notes)
    return _save(samples, form, options), tuple(notes)


def _untold_colours(picture: Picture, name: str) -> list[str]:
    colours = "" if picture.icc else cicp.name_of(picture.colour_space)
    return (
        [f"its colours are {colours}, which {name} cannot record: only png can"] if colours else []
    )


def check_extra(name: str) -> None:
    """Raises UnsupportedImage: the extra that brings this format is not installed."""
    extra = STREAMED[name].extra
    if extra is not None and not readers.has(extra):
        raise UnsupportedImage(
            f"{name} cannot be written by this installation",
            hint=f'install the extra: python3 -m pip install "upscaled[{extra}]"',
        )


def _samples(picture: Picture, name: str, form: Format) -> tuple[Samples, list[str]]:
    """Height × width (× channels), as the format can hold them."""
    notes: list[str] = []
    colour, alpha = picture.colour, picture.alpha
    if colour.dtype == np.uint16 and form.bits < 16:
        notes.append(f"{name} is written in {form.bits} bits: the 16 bits were rounded")
    if colour.dtype == np.uint16 and form.bits == 8:
        colour, alpha = to_8_bit(colour), None if alpha is None else to_8_bit(alpha)
    if alpha is not None and not form.alpha:
        notes.append(f"{name} holds no transparency: put on white")
        colour, alpha = transparency.on_white(colour, alpha), None
    is_single = picture.gray and (alpha is None or form.gray_alpha)
    planes: list[Any] = [colour[..., 0]] if is_single else [colour]
    if alpha is not None:
        planes.append(alpha)
    joined = planes[0] if len(planes) == 1 else np.dstack(planes)
    return np.ascontiguousarray(joined), notes


def _save(samples: Samples, form: Format, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(samples)
    try:
        image.save(buffer, form.pillow, **options)
    except OSError:
        # Pillow gives `optimize` a buffer of 2 bytes for a pixel; pure noise needs more.
        if not options.get("optimize"):
            raise
        return _save(samples, form, options | {"optimize": False})
    return buffer.getvalue()


def _png(samples: Samples, encoding: OutputOptions) -> bytes:
    if samples.dtype == np.uint16 and samples.ndim == 3:
        return png_chunks.encode_deep(samples, encoding.effort)
    efforts: dict[str, dict[str, Any]] = {
        "fast": {"compress_type": zlib.Z_RLE},
        "best": {"optimize": True},
    }
    return _save(samples, FORMATS["png"], efforts.get(encoding.effort) or _png_effort(samples))


def _png_effort(samples: Samples) -> dict[str, int]:
    """Runs only, or a search for repeats: whichever makes a band of the middle smaller.

    Photographs at 1024×1024 px hardly repeat themselves, or only nearby: runs alone give 1317 kB in
    0.11 s, level 4 1206 kB in 0.18 s, and level 6, zlib's default, 1214 kB in 0.51 s. Of drawings
    some want the one and some the other. Where the network runs on the CPU, this time is its own.
    """
    rows = samples.shape[0]
    band = samples[max(rows // 2 - _BAND_ROWS // 2, 0) :][:_BAND_ROWS]
    efforts = ({"compress_type": zlib.Z_RLE}, {"compress_level": 4})
    return min(efforts, key=lambda effort: len(_save(band, FORMATS["png"], effort)))


def _chunks(picture: Picture, kept: Metadata, block: bytes) -> list[png_chunks.Chunk]:
    found: list[png_chunks.Chunk] = []
    if picture.icc:
        found.append(png_chunks.profile(picture.icc))
    else:
        found += picture.colour_space
    if kept.dpi:
        found.append(png_chunks.resolution(kept.dpi))
    if block:
        found.append((b"eXIf", block))
    if kept.xmp:
        found.append(png_chunks.xmp(kept.xmp))
    if kept.iptc:
        found.append(png_chunks.raw_profile("iptc", jpeg_segments.resource(kept.iptc)))
    if kept.comment and not kept.texts:
        found.append(png_chunks.comment(kept.comment))
    return [*found, *kept.texts]


def _options(
    picture: Picture, form: Format, encoding: OutputOptions, kept: Metadata, block: bytes
) -> dict[str, Any]:
    """What Pillow's writer, or a plugin's, is told."""
    options: dict[str, Any] = {}
    if picture.icc:
        options["icc_profile"] = picture.icc
    if block:
        # pillow-heif and Pillow's WebP and AVIF take it with or without this mark; JPEG needs it.
        options["exif"] = b"Exif\0\0" + block
    if kept.xmp and "xmp" in form.words:
        options["xmp"] = kept.xmp
    is_lossless = form.lossless and (
        picture.is_lossless if encoding.lossless is None else encoding.lossless
    )
    quality = form.quality if encoding.quality is None else encoding.quality
    return options | _TUNED[form.pillow](quality, encoding, is_lossless)


def _webp(quality: int | None, encoding: OutputOptions, is_lossless: bool) -> dict[str, Any]:
    method = {"fast": 1, "normal": 4, "best": 6}[encoding.effort]
    if is_lossless:
        return {"lossless": True, "exact": True, "quality": 80, "method": method}
    # A quality of alpha below 100 would make edges of transparency other than they are.
    return {"quality": quality, "method": method, "alpha_quality": 100}


def _avif(quality: int | None, encoding: OutputOptions, _: bool) -> dict[str, Any]:
    speed = {"fast": 9, "normal": 6, "best": 3}[encoding.effort]
    chroma = encoding.chroma or "4:4:4"
    return {"quality": quality, "speed": speed, "subsampling": chroma}


def _jpeg(quality: int | None, encoding: OutputOptions, _: bool) -> dict[str, Any]:
    # Chroma at full resolution: the network drew it, subsampling would blur it again.
    return {
        "quality": quality,
        "optimize": encoding.effort != "fast",
        "progressive": encoding.effort == "best",
        "subsampling": encoding.chroma or "4:4:4",
    }


def _heif(quality: int | None, encoding: OutputOptions, is_lossless: bool) -> dict[str, Any]:
    if is_lossless:
        return {"quality": -1, "chroma": 444, "matrix_coefficients": 0}
    # Apple's decoders know HEVC's main profiles, which are 4:2:0.
    chroma = int((encoding.chroma or "4:2:0").replace(":", ""))
    return {"quality": quality, "chroma": chroma}


def _jxl(quality: int | None, encoding: OutputOptions, is_lossless: bool) -> dict[str, Any]:
    effort = {"fast": 3, "normal": 7, "best": 9}[encoding.effort]
    # libjxl takes a distance of 0, which is what 100 stands for, for lossless only.
    return (
        {"lossless": True, "effort": effort}
        if is_lossless or quality == 100
        else {
            "quality": quality,
            "effort": effort,
        }
    )


_TUNED = {"WEBP": _webp, "AVIF": _avif, "JPEG": _jpeg, "HEIF": _heif, "JXL": _jxl}


def to_8_bit(samples: Samples) -> Samples:
    return ((samples.astype(np.uint32) * 255 + 32_767) // 65_535).astype(np.uint8)
