"""Files of every kind, made here: small, noisy, and known to the pixel."""

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from upscaled.image.decode import readers
from upscaled.image.metadata.metadata import Metadata

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


class Make:
    icc = SRGB

    def __init__(self) -> None:
        readers.known()  # Pillow writes HEIF and JPEG XL from now on, too
        self.rng = np.random.default_rng(7)

    def pixels(self, height: int = 12, width: int = 20, channels: int = 3, bits: int = 8) -> Any:
        dtype = np.uint8 if bits == 8 else np.uint16
        return self.rng.integers(0, 2**bits, (height, width, channels), dtype)

    def smooth(self, height: int = 48, width: int = 64) -> Any:
        """What a lossy format changes little."""
        down, right = np.mgrid[0:height, 0:width]
        planes = down * 255 // height, right * 255 // width, (down + right) * 255 // 112
        return np.dstack(planes).astype(np.uint8)

    def file(self, image: Any, form: str, **options: Any) -> bytes:
        image = image if isinstance(image, Image.Image) else Image.fromarray(image)
        buffer = io.BytesIO()
        image.save(buffer, form, **options)
        return buffer.getvalue()

    def deep(self, samples: Any, suffix: str) -> bytes:
        """RGB(A) of 16 bits as OpenCV writes it."""
        order = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}[samples.shape[2]]
        return bytes(cv2.imencode(suffix, cv2.cvtColor(samples, order))[1])

    def exif(self, **tags: Any) -> bytes:
        """By name: `orientation=6, artist="…"`."""
        numbers = {"orientation": 0x112, "artist": 0x13B, "model": 0x110, "note": 0x10E}
        exif = Image.Exif()
        for name, value in tags.items():
            exif[numbers[name]] = value
        return exif.tobytes()

    def block(self, **tags: Any) -> bytes:
        """The same, as `Metadata` holds it."""
        return self.exif(**tags).removeprefix(b"Exif\0\0")

    def words(self, artist: str = "Ada") -> Metadata:
        return Metadata(exif=self.block(artist=artist), dpi=(300, 150))

    def chunk(self, kind: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)

    def png_with(self, png: bytes, kind: bytes, body: bytes) -> bytes:
        """The chunk right behind IHDR."""
        return png[:33] + self.chunk(kind, body) + png[33:]

    def turned(self, upright: Any, orientation: int) -> Any:
        """How a camera stores what is upright at this EXIF orientation."""
        stored = {
            1: upright,
            2: upright[:, ::-1],
            3: upright[::-1, ::-1],
            4: upright[::-1],
            5: upright.swapaxes(0, 1),
            6: np.rot90(upright, 1),
            7: np.rot90(upright[:, ::-1], -1),
            8: np.rot90(upright, -1),
        }[orientation]
        return np.ascontiguousarray(stored)

    def tiff_with_orientation(self, tiff: bytes, orientation: int) -> bytes:
        """A little-endian TIFF whose directory is written anew at the end."""
        (at,) = struct.unpack("<I", tiff[4:8])
        (count,) = struct.unpack("<H", tiff[at : at + 2])
        entries = [tiff[at + 2 + 12 * n : at + 14 + 12 * n] for n in range(count)]
        entries = [entry for entry in entries if entry[:2] != struct.pack("<H", 0x112)]
        entries.append(struct.pack("<HHII", 0x112, 3, 1, orientation))
        entries.sort(key=lambda entry: struct.unpack("<H", entry[:2]))
        directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
        return tiff[:4] + struct.pack("<I", len(tiff)) + tiff[8:] + directory


@pytest.fixture
def make() -> Make:
    return Make()
