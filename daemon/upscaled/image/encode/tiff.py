"""TIFF of any depth with all its tags: tifffile writes the pixels, `exif` the rest."""

import io
from typing import Any, Literal

import tifffile

from upscaled.image.metadata import exif, ifd
from upscaled.image.metadata.metadata import Metadata
from upscaled.image.picture import Samples
from upscaled.recipe import OutputOptions

BIG_BYTES = 4_000_000_000
"""Of pixels, from which on offsets need 64 bits, whatever compression will make of them."""
_LEVELS = {"fast": 1, "normal": 6, "best": 9}
_UNASSOCIATED = 2
_BYTES = 1


def needs_big(size_bytes: int) -> bool:
    """Whether pixels of so many bytes, and what is told of them, are to be a BigTIFF."""
    return size_bytes > BIG_BYTES


def encode(
    samples: Samples,
    icc: bytes | None,
    kept: Metadata,
    block: bytes,
    encoding: OutputOptions,
    *,
    is_big: bool = False,
) -> bytes:
    """Deflated, with the predictor for continuous tones; `is_big`: a BigTIFF whatever its size."""
    order: Literal["<", ">"] = ">" if (block or kept.exif or b"").startswith(b"MM") else "<"
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    options: dict[str, Any] = {}
    if kept.dpi:
        options |= {"resolution": kept.dpi, "resolutionunit": "INCH"}
    if channels in (2, 4):
        options["extrasamples"] = [_UNASSOCIATED]
    buffer = io.BytesIO()
    big = is_big or needs_big(samples.nbytes)
    with tifffile.TiffWriter(buffer, bigtiff=big, byteorder=order) as writer:
        writer.write(
            samples,
            photometric="rgb" if channels > 2 else "minisblack",
            planarconfig="contig" if channels > 1 else None,
            compression="zlib",
            compressionargs={"level": _LEVELS[encoding.effort]},
            predictor=True,
            rowsperstrip=max(1, (1 << 18) // max(1, samples[0].nbytes)),
            metadata=None,
            software=False,
            **options,
        )
    more = {
        tag: ifd.TagEntry(kind, len(body), body)
        for tag, kind, body in (
            (exif.XMP, _BYTES, kept.xmp),
            (exif.IPTC, ifd.UNDEFINED, kept.iptc),
            (exif.ICC, ifd.UNDEFINED, icc),
        )
        if body
    }
    return exif.into_tiff(buffer.getvalue(), block, more)
