"""What a file's own structure says of its length."""

import struct
from typing import Any

import pytest

from upscaled.image.decode.truncation import is_cut_off

BOX = struct.pack(">I4s", 16, b"ftyp") + b"avif0000"
LARGE = struct.pack(">I4sQ", 1, b"ftyp", 24) + b"avif0000"
TO_THE_END = struct.pack(">I4s", 0, b"mdat") + b"x"

WHOLE = {
    "nothing": b"",
    "text": b"a text about RIFF, GIF8 and PNG",
    "webp": b"RIFF" + struct.pack("<I", 4) + b"WEBP",
    "webp with more behind": b"RIFF" + struct.pack("<I", 4) + b"WEBP and more",
    "gif": b"GIF89a ... ;",
    "jpeg": b"\xff\xd8\xff\xe0 ... \xff\xd9",
    "png": b"\x89PNG\r\n\x1a\n ... IEND\xaeB`\x82",
    "little tiff": b"II*\0" + struct.pack("<I", 8) + struct.pack("<HHHII", 1, 256, 3, 2, 0),
    "big tiff": b"MM\0*" + struct.pack(">I", 8) + struct.pack(">HHHII", 1, 256, 3, 2, 0),
    "boxes": BOX + BOX,
    "large box": LARGE,
    "box to the end": BOX + TO_THE_END,
}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_whole_file_is_not_cut_off(kind: str) -> None:
    assert not is_cut_off(WHOLE[kind])


@pytest.mark.parametrize("kind", ["webp", "gif", "jpeg", "png", "little tiff", "big tiff", "boxes"])
def test_a_file_without_its_last_byte_is_cut_off(kind: str) -> None:
    assert is_cut_off(WHOLE[kind][:-1])


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "jpeg"])
def test_a_tiff_is_cut_off_wherever_its_end_is(make: Any, compression: str) -> None:
    content = make.file(make.pixels(), "TIFF", compression=compression)
    assert not is_cut_off(content)
    assert is_cut_off(content[:-1])


def test_a_tiff_whose_directory_comes_first_is_cut_off_in_its_pixels() -> None:
    entries = struct.pack("<HHII", 273, 4, 1, 50) + struct.pack("<HHII", 279, 3, 1, 100)
    whole = b"II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(116)
    assert not is_cut_off(whole)
    assert is_cut_off(whole[:149])


@pytest.mark.parametrize("content", [BOX + b"\0", BOX + struct.pack(">I", 2) + b"free", LARGE[:20]])
def test_a_box_that_is_shorter_than_its_header_ends_the_search(content: bytes) -> None:
    assert isinstance(is_cut_off(content), bool)
