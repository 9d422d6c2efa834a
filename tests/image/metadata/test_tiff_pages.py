"""Files of one page put behind each other: every place in them is moved along."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from upscaled.errors import ImageTooLarge, TruncatedImage
from upscaled.image.metadata import tiff_pages
from upscaled.image.metadata.tiff_pages import PageWriter, pages, survey

Make = Any
_EXIF, _EXPOSURE, _GPS = 0x8769, 0x829A, 0x8825


def joined(*files: bytes) -> bytes:
    stream = io.BytesIO()
    writer = PageWriter(stream)
    for file in files:
        writer.add(file)
    return stream.getvalue()


def with_places_of_16_bits(rows: list[bytes]) -> bytes:
    """Gray, a strip for each row, as libtiff writes small files."""
    data_at = 8
    places = [data_at + sum(map(len, rows[:number])) for number in range(len(rows))]
    data = b"".join(rows).ljust(sum(map(len, rows)) + sum(map(len, rows)) % 2, b"\0")
    arrays_at = data_at + len(data)
    arrays = struct.pack(f"<{len(rows)}H", *places) + struct.pack(f"<{len(rows)}H", *map(len, rows))
    is_local = len(rows) <= 2

    def entry(tag: int, values: list[int], at: int) -> bytes:
        packed = struct.pack(f"<{len(values)}H", *values)
        value = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack("<I", at)
        return struct.pack("<HHI", tag, 3, len(values)) + value

    own = b"" if is_local else arrays
    directory = [
        entry(256, [len(rows[0])], 0),
        entry(257, [len(rows)], 0),
        entry(258, [8], 0),
        entry(259, [1], 0),
        entry(262, [1], 0),
        entry(273, places, arrays_at),
        entry(277, [1], 0),
        entry(278, [1], 0),
        entry(279, list(map(len, rows)), arrays_at + 2 * len(rows)),
    ]
    head = b"II*\0" + struct.pack("<I", arrays_at + len(own))
    return head + data + own + struct.pack("<H", len(directory)) + b"".join(directory) + bytes(4)


@pytest.mark.parametrize("height", [1, 2, 5])
def test_places_of_16_bits_are_widened_where_they_move(height: int) -> None:
    rows = [bytes(range(number, number + 6)) for number in range(height)]
    page = with_places_of_16_bits(rows)
    with Image.open(io.BytesIO(joined(bytes(page), page, page))) as image:
        assert image.n_frames == 3
        for number in range(3):
            image.seek(number)
            assert np.array(image).tobytes() == b"".join(rows)


def test_directories_below_a_page_move_with_it(make: Make) -> None:
    exif = Image.Exif()
    exif.get_ifd(_EXIF)[_EXPOSURE] = 0.125
    exif.get_ifd(_GPS)[2] = (52.0, 31.0, 12.0)
    # As bytes: Pillow leaves out of a TIFF the directories below a block that was made in memory.
    block = exif.tobytes()
    files = [make.file(make.pixels(), "TIFF", exif=block, dpi=(90 + n, 90)) for n in range(3)]
    both = joined(*files)
    assert survey(both) == ([(20, 12)] * 3, 0)
    for number, page in enumerate(pages(both)):
        with Image.open(io.BytesIO(page)) as image, Image.open(io.BytesIO(files[number])) as one:
            assert image.n_frames == 1
            assert image.getexif().get_ifd(_EXIF)[_EXPOSURE] == 0.125
            assert image.getexif().get_ifd(_GPS)[2] == (52.0, 31.0, 12.0)
            assert image.info["dpi"] == (90 + number, 90)
            assert np.array_equal(np.array(image), np.array(one))


def test_big_tiffs_are_joined_too_and_never_with_others(make: Make) -> None:
    big = make.file(make.pixels(), "TIFF", big_tiff=True)
    with Image.open(io.BytesIO(joined(big, big))) as image:
        assert image.n_frames == 2
        image.seek(1)
        image.load()
    with pytest.raises(ImageTooLarge, match="BigTIFF"):
        joined(big, make.file(make.pixels(), "TIFF"))


def test_a_chain_that_leads_nowhere_or_in_a_circle_ends(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = bytearray(make.file(make.pixels(), "TIFF"))
    (first,) = struct.unpack_from("<I", page, 4)
    (entries,) = struct.unpack_from("<H", page, first)
    next_at = first + 2 + 12 * entries
    struct.pack_into("<I", page, next_at, first)
    assert len(survey(bytes(page))[0]) == 1
    struct.pack_into("<I", page, next_at, len(page) + 99)
    with pytest.raises(TruncatedImage):
        survey(bytes(page))
    monkeypatch.setattr(tiff_pages, "_MOST_ENTRIES", 3)
    with pytest.raises(ImageTooLarge, match="tags"):
        survey(bytes(page))
