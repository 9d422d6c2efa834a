"""HEIF of 10 and 12 bits, which Pillow cannot hold: pillow-heif reads and writes its samples.

Imported only where the extra is known to be installed (`readers.has`).
"""

import importlib
import io
from typing import Any

import numpy as np

from upscaled.errors import UnsupportedImage
from upscaled.image.decode.planes import Planes, three
from upscaled.image.picture import Samples

_WRITTEN_BITS = 10
_MODES = {1: "L;16", 3: "RGB;16", 4: "RGBA;16"}


def deep_planes(content: bytes, icc: bytes | None) -> Planes:
    """The primary image, upright.

    Raises:
        UnsupportedImage: samples of a kind that is not handled.
        OSError, ValueError, RuntimeError, EOFError, SyntaxError: it cannot be read.
    """
    image: Any = importlib.import_module("pillow_heif").open_heif(
        content, convert_hdr_to_8bit=False
    )
    samples: Any = filled(np.asarray(image), int(image.info["bit_depth"]))
    if image.mode in ("L;16", "I;16"):
        return Planes(three(samples), gray=True, icc=icc, is_upright=True)
    if image.mode not in ("RGB;16", "RGBA;16"):
        raise UnsupportedImage(
            f"HEIF of the kind {image.mode} is not handled", hint="save it as PNG or TIFF"
        )
    alpha = np.ascontiguousarray(samples[..., 3]) if samples.shape[2] == 4 else None
    colour = np.ascontiguousarray(samples[..., :3])
    return Planes(colour, alpha, icc=icc, is_upright=True)


def filled(samples: Any, bits: int) -> Samples:
    """Values in the upper `bits` of 16 (8 at least), repeated below: full range, white is white."""
    whole: Samples = samples | (samples >> bits)
    return whole


def encode_deep(samples: Samples, options: dict[str, Any]) -> bytes:
    """Height × width (× 3 or 4) of 16 bits, rounded to 10; `options` as for Pillow's writer."""
    most = 2**_WRITTEN_BITS - 1
    rounded = (samples.astype(np.uint32) * most + 32_767) // 65_535 << (16 - _WRITTEN_BITS)
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    height, width = samples.shape[:2]
    stream = io.BytesIO()
    importlib.import_module("pillow_heif").encode(
        _MODES[channels], (width, height), rounded.astype(np.uint16).tobytes(), stream, **options
    )
    return stream.getvalue()
