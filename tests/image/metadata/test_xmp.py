"""XMP says nothing that a larger picture alone makes untrue; all else of it stays."""

import time
from typing import Any

import pytest
from PIL import Image

from upscaled.image.decode.decode import decode
from upscaled.image.decode.frames import open_frames
from upscaled.image.decode.motion_photo import has_film
from upscaled.image.encode.encode import encode
from upscaled.image.metadata import xmp

Make = Any
HEAD = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description rdf:about="" xmp:Rating="4"'
TAIL = b"</rdf:Description></rdf:RDF></x:xmpmeta>"
DIRECTORY = (
    b"<Container:Directory><rdf:Seq><rdf:li><Container:Item Item:Semantic='GainMap' "
    b"Item:Length='1234'/></rdf:li></rdf:Seq></Container:Directory>"
)
FILM = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + b"\0\0\0\x10mdat" + bytes(8)


@pytest.mark.parametrize(
    ("said", "has_map"),
    [
        (b' hdrgm:Version="1.0">' + DIRECTORY, True),
        (b" hdrgm:Version='1.0' hdrgm:GainMapMax=\"3\">", True),
        (b"><hdrgm:Version>1.0</hdrgm:Version>" + DIRECTORY, True),
        (b' GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1">' + DIRECTORY, False),
        (b' GCamera:MicroVideo="1" GCamera:MicroVideoOffset="99">', False),
        (b"><GCamera:MotionPhoto>1</GCamera:MotionPhoto>", False),
    ],
)
def test_parts_that_are_not_in_the_result_are_not_promised(said: bytes, has_map: bool) -> None:
    made, found = xmp.alone(HEAD + said + TAIL)
    assert found is has_map
    assert made == HEAD + b">" + TAIL


def test_a_packet_that_is_made_to_cost_time_costs_little() -> None:
    started = time.process_time()
    xmp.alone(b"hdrgm:a=<Container:Directory <hdrgm:b >" * 1_000 + b" " * 300_000)
    assert time.process_time() - started < 10


def test_a_packet_of_words_stays_to_the_byte() -> None:
    packet = HEAD + b' dc:title="MotionPhoto of a hdrgm">' + TAIL
    assert xmp.alone(packet) == (packet, False)


def test_sizes_are_those_of_the_result(make: Make) -> None:
    packet = HEAD + b' tiff:ImageWidth="64" exif:PixelYDimension="48">' + TAIL
    packet = packet.replace(TAIL, b"<tiff:ImageLength>48</tiff:ImageLength>" + TAIL)
    content = make.file(make.smooth(24, 32), "JPEG", xmp=packet)
    found = decode(encode(decode(content), "png")[0]).metadata.xmp or b""
    assert b'tiff:ImageWidth="32"' in found
    assert b'exif:PixelYDimension="24"' in found
    assert b"<tiff:ImageLength>24<" in found


def test_a_film_behind_a_photograph_is_told(make: Make) -> None:
    photo = make.file(make.smooth(), "JPEG")
    assert not has_film(photo)
    frames = open_frames(photo + FILM)
    assert frames.left_out == "a film"
    assert "the film behind its picture was left out" in frames.notes


def test_another_whole_picture_counts_and_a_preview_does_not(make: Make) -> None:

    whole, small = Image.fromarray(make.smooth()), Image.fromarray(make.smooth(12, 16))
    for other, left_out in ((whole, "1 more picture"), (small, "")):
        content = make.file(whole, "MPO", save_all=True, append_images=[other])
        frames = open_frames(content)
        assert frames.left_out == left_out
        assert "only the first of its 2 pictures was upscaled" in frames.notes
