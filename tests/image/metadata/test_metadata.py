"""What travels with the pixels, as exiftool and other programs see it before and after."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from upscaled.image.decode.decode import decode
from upscaled.image.encode.encode import encode
from upscaled.image.metadata import exif, ifd, jpeg_segments, metadata, png_chunks
from upscaled.recipe import OutputOptions

Make = Any
MAKER_NOTE = b"Maker\0" + bytes(range(256))
THUMBNAIL = b"\xff\xd8\xff\xdbthumbnail\xff\xd9"
XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmp:Rating="4" tiff:Orientation="6" '
    b'dc:format="image/any"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
IPTC = b"\x1c\x02\x69\x00\x05Title" + b"\x1c\x02\x19\x00\x03key"
FORMATS = ["jpeg", "png", "webp", "avif", "tiff", "heif", "jxl"]
WITH_IPTC = {"jpeg", "tiff", "png"}
REWRITTEN_BY_PILLOW = {"avif", "tiff"}
WITH_DPI = {"jpeg", "tiff", "png"}
CHANGED = {
    *("SourceFile", "ExifTool", "Composite", "RIFF", "QuickTime", "Jpeg2000", "ICC-header"),
    *("System", "PNG-pHYs", "Meta", "Item", "Track1", "Chroma"),
}
"""Groups about the file itself. All that was named as rewritten is in `_REWRITTEN`."""
_REWRITTEN = {
    *("IFD0:Orientation", "IFD0:ProcessingSoftware", "ExifIFD:ExifImageWidth", "IFD1"),
    *("ExifIFD:ExifImageHeight", "XMP-tiff:Orientation", "IFD0:ImageWidth", "IFD0:ImageHeight"),
    *("File:ImageWidth", "File:ImageHeight", "PNG:ImageWidth", "PNG:ImageHeight"),
    *("File:YCbCrSubSampling", "File:ExifByteOrder", "PNG:ProfileName"),
    # How pixels are stored in a TIFF.
    *("IFD0:BitsPerSample", "IFD0:Compression", "IFD0:PhotometricInterpretation"),
    *("IFD0:StripOffsets", "IFD0:SamplesPerPixel", "IFD0:RowsPerStrip", "IFD0:StripByteCounts"),
    *("IFD0:PlanarConfiguration", "IFD0:Predictor", "IFD0:SubfileType", "IFD0:SampleFormat"),
}
needs_exiftool = pytest.mark.skipif(shutil.which("exiftool") is None, reason="no exiftool here")


def full_exif() -> bytes:
    """As a camera writes it: GPS, dates, a maker note, and a thumbnail at the end."""
    made = Image.Exif()
    made[0x10F], made[0x110], made[0x131] = "Maker", "Model", "Firmware 1.0"
    made[0x132], made[exif.ORIENTATION] = "2020:01:02 03:04:05", 6
    made[0x11A], made[0x11B], made[0x128] = 300.0, 300.0, 2
    below = made.get_ifd(exif.EXIF_IFD)
    below[0x9003], below[0x927C], below[0x829A] = "2020:01:02 03:04:05", MAKER_NOTE, 0.004
    below[0xA002], below[0xA003] = 64, 48
    below[0x9286] = b"UNICODE\0" + "ü".encode("utf-16-be")
    gps = made.get_ifd(exif.GPS_IFD)
    gps[1], gps[2], gps[3], gps[4] = "N", (52.0, 31.0, 12.5), "E", (13.0, 24.0, 18.0)
    block = bytearray(made.tobytes().removeprefix(b"Exif\0\0"))
    layout, directory, _ = ifd.first(bytes(block))
    trial = bytearray(block)
    layout.append(trial, directory)
    start = layout.append(block, directory, following=len(trial))
    below_px = {259: layout.short(6), 513: layout.long(0), 514: layout.long(len(THUMBNAIL))}
    layout.append(trial, below_px)
    layout.append(block, below_px | {513: layout.long(len(trial))})
    block[4:8] = start.to_bytes(4, "big" if layout.order == ">" else "little")
    return bytes(block) + THUMBNAIL


def source(make: Make, form: str) -> bytes:
    """A file with everything in it that its format can hold."""
    options: dict[str, Any] = {
        "exif": b"Exif\0\0" + full_exif(),
        "icc_profile": make.icc,
        "xmp": XMP,
    }
    if form in WITH_DPI:
        options["dpi"] = (300, 300)
    if form == "jpeg":
        segment = b"Photoshop 3.0\0" + jpeg_segments.resource(IPTC)
        marker = b"\xff\xed" + (len(segment) + 2).to_bytes(2, "big")
        options |= {"comment": b"said", "extra": marker + segment}
    if form == "tiff":
        info = Image.Image().getexif()
        info.load(options.pop("exif"))
        info[700], info[33723] = XMP, IPTC
        options["exif"] = info
        del options["xmp"]
    content: bytes = make.file(make.smooth(), form.upper(), **options)
    if form != "png":
        return content
    words = [
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
        png_chunks.raw_profile("iptc", jpeg_segments.resource(IPTC)),
        (b"tEXt", b"Title\0a picture"),
        (b"tIME", bytes([7, 228, 1, 2, 3, 4, 5])),
    ]
    return png_chunks.with_chunks(content, words)


def told(content: bytes, folder: Path, name: str) -> dict[str, Any]:
    """By exiftool, group and tag; binary values as they are."""
    path = folder / name
    path.write_bytes(content)
    ran = subprocess.run(
        ["exiftool", "-j", "-G1", "-b", "-u", "-n", str(path)],
        capture_output=True,
        check=True,
        timeout=60,
    )
    (found,) = json.loads(ran.stdout)
    return {
        key: value
        for key, value in found.items()
        if key.partition(":")[0].split("-")[0] not in CHANGED
        and key not in _REWRITTEN
        and not key.startswith("IFD1:")
    }


@needs_exiftool
@pytest.mark.parametrize("form", FORMATS)
def test_exiftool_sees_the_same_before_and_after(make: Make, tmp_path: Path, form: str) -> None:
    before = source(make, form)
    content, notes = encode(decode(before), form, software="upscaled 1")
    assert notes == ()
    first, second = told(before, tmp_path, "before"), told(content, tmp_path, "after")
    assert second == first
    assert second["IFD0:Software"] == "Firmware 1.0"
    assert second["GPS:GPSLatitude"] == pytest.approx(52.520139, abs=1e-5)
    assert "XMP-xmp:Rating" in second
    assert (second.get("IPTC:Headline") == "Title") == (form in WITH_IPTC)
    assert (THUMBNAIL in before) == (form not in REWRITTEN_BY_PILLOW)
    assert THUMBNAIL not in content


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("to", FORMATS)
def test_exif_is_the_same_bytes_in_every_other_format(make: Make, form: str, to: str) -> None:
    """GPS, dates and the maker note; dimensions are those of the picture."""
    picture = decode(source(make, form))
    larger = replace(picture, colour=picture.colour.repeat(2, axis=0).repeat(2, axis=1))
    content, _ = encode(larger, to, software="upscaled 1")
    block = decode(content).metadata.exif
    assert block is not None
    layout, directory, following = ifd.first(block)
    assert following == 0
    assert exif.ORIENTATION not in directory
    assert exif.software_of(block) == "upscaled 1"
    assert directory[0x131].body == b"Firmware 1.0\0"
    below, _ = layout.read(block, layout.number(directory[exif.EXIF_IFD]))
    assert below[0x927C].body == MAKER_NOTE
    assert below[0x9003].body == b"2020:01:02 03:04:05\0"
    # JPEG XL has an orientation of its own: EXIF's is not to be applied (18181-2, section 9.4).
    size = (128, 96) if form == "jxl" else (96, 128)
    assert (layout.number(below[0xA002]), layout.number(below[0xA003])) == size
    gps, _ = layout.read(block, layout.number(directory[exif.GPS_IFD]))
    assert gps[1].body == b"N\0"
    assert gps[2].count == 3


def test_a_maker_note_stays_where_it_points_from(make: Make) -> None:
    """Canon's and Nikon's hold offsets from the start of the block."""
    block = full_exif()
    content, _ = encode(decode(source(make, "jpeg")), "jpeg", software="upscaled 1")
    kept = decode(content).metadata.exif
    assert kept is not None
    assert kept.index(MAKER_NOTE) == block.index(MAKER_NOTE)


@pytest.mark.parametrize("form", ["jpeg", "webp", "png", "tiff", "avif"])
def test_the_eight_orientations_give_eight_identical_results(make: Make, form: str) -> None:
    upright = make.pixels(16, 32) if form in ("png", "tiff") else make.smooth(16, 32)
    results = set()
    for orientation in range(1, 9):
        stored = make.turned(upright, orientation)
        options = {"quality": 100, "subsampling": "4:4:4"} if form in ("jpeg", "avif") else {}
        if form == "webp":
            options = {"lossless": True}
        exif_block = make.exif(orientation=orientation, artist="Ada")
        picture = decode(make.file(stored, form.upper(), exif=exif_block, **options))
        if form in ("jpeg", "avif"):  # whose blocks are rounded another way when they are turned
            assert np.abs(picture.colour.astype(int) - upright).max() < 12
            picture = replace(picture, colour=upright)
        results.add(encode(picture, form, software="upscaled 1")[0])
    assert len(results) == 1


@pytest.mark.parametrize("form", FORMATS)
def test_stripping_leaves_profile_and_resolution_only(make: Make, form: str) -> None:
    content, _ = encode(decode(source(make, form)), form, OutputOptions(metadata="strip"))
    picture = decode(content)
    assert picture.icc
    found = picture.metadata
    kept = ifd.first(found.exif)[1] if found.exif else {}
    assert not {0x10F, 0x131, 0x132, exif.EXIF_IFD, exif.GPS_IFD} & set(kept)
    assert (found.xmp, found.iptc, found.comment, found.texts) == (None, None, None, ())
    assert bool(found.dpi) == (form in WITH_DPI)
    assert b"Firmware" not in content


def test_comments_and_texts_change_their_form_where_they_can(make: Make) -> None:
    jpeg_comment = make.file(make.smooth(), "JPEG", comment="grüße".encode())
    png_too = decode(encode(decode(jpeg_comment), "png")[0])
    assert png_too.metadata.texts == ((b"iTXt", b"Comment\0\0\0\0\0" + "grüße".encode()),)
    assert encode(decode(jpeg_comment), "webp")[1] == (
        "webp cannot hold its comment, which was left out",
    )


_POINTER = b"\x87\x69\0\x04\0\0\0\1"
BROKEN = {
    "no block": b"nonsense and more of it",
    "cut off": full_exif()[:40],
    "directory far away": b"II*\0\xff\xff\xff\xff nonsense",
    "below far away": full_exif().replace(
        b"\x87\x69\0\x04\0\0\0\1\0\0", b"\x87\x69\0\x04\0\0\0\1\xff\0"
    ),
    "far too many entries": b"MM\0*\0\0\0\x08\xff\xff" + bytes(64),
}


@pytest.mark.parametrize("form", ["jpeg", "webp", "png"])
@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_exif_block_is_left_out_with_a_note(make: Make, form: str, kind: str) -> None:
    content = make.file(make.smooth(), form.upper(), exif=b"Exif\0\0" + BROKEN[kind])
    picture = decode(content)
    assert picture.metadata.exif is None
    assert "its EXIF block is broken and was left out" in picture.notes
    assert decode(encode(picture, form)[0]).colour.shape == (48, 64, 3)


def test_no_block_is_made_where_there_is_nothing_to_say(make: Make) -> None:
    content, _ = encode(decode(make.file(make.smooth(), "PNG")), "png")
    assert b"eXIf" not in content


@pytest.mark.parametrize(
    ("orientation", "left"), [(6, b'tiff:Orientation="1"'), (1, b'tiff:Orientation="6"')]
)
def test_an_orientation_that_only_xmp_tells_is_neither_applied_nor_reset(
    make: Any, orientation: int, left: bytes
) -> None:
    pixels = make.pixels(9, 13)
    exif = make.exif(orientation=orientation)
    found = decode(make.file(pixels, "WEBP", lossless=True, exact=True, exif=exif, xmp=XMP))
    assert left in (found.metadata.xmp or b"")
    assert found.width_px == (13 if orientation == 1 else 9)


def test_an_xmp_packet_that_is_compressed_in_a_jxl_is_told(make: Make) -> None:
    content = make.file(make.pixels(), "JXL", xmp=XMP, use_container=True)
    at = content.index(b"xml <")
    compressed = content[: at - 4] + (12 + 8).to_bytes(4, "big") + b"brobxml \x0b\0\0\0\0\0\0\0"
    found = metadata.read(compressed, {})
    assert found.metadata.xmp is None
    assert found.notes == ("its XMP packet is compressed by Brotli and was left out",)
