"""Files that are not images, and images under a wrong name, are told by their first bytes."""

import gzip
import io
import tarfile
import zipfile

import pytest
from PIL import Image

from upscaled.image.decode.foreign import HEAD_BYTES, identify
from upscaled.image.decode.probe import probe


def zipped(name: str, content: bytes = b"") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, content)
        archive.writestr("more.xml", b"x")
    return packed.getvalue()


def tarred() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.png"), io.BytesIO())
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.pdf", b"junk before\n%PDF-1.4\n\xe2\xe3", "a PDF document"),
        ("a.ai", b"%!PS-Adobe-3.0\n", "a PostScript file"),
        ("a.svg", b"\xef\xbb\xbf<!-- by hand -->\n<SVG xmlns='x'>", "an SVG drawing"),
        ("a.svgz", gzip.compress(b"<svg/>", mtime=0), "an SVG drawing"),
        ("a.gz", gzip.compress(b"x", mtime=0), "an archive"),
        ("a.zip", zipped("a.png"), "an archive"),
        ("a.tar", tarred(), "an archive"),
        ("a.docx", zipped("[Content_Types].xml", b"<Types/>"), "an office document"),
        ("a.odt", zipped("mimetype", b"application/vnd.oasis.opendocument.text"),
         "an office document"),
        ("a.kra", zipped("mimetype", b"application/x-krita"), "a Krita project"),
        ("a.NEF", b"MM\0*\0\0\0\x08", "a camera's raw file"),
        ("a.cr3", b"\0\0\0\x18ftypcrx \0\0\0\x01", "a camera's raw file"),
        ("a.raf", b"FUJIFILMCCD-RAW 0201", "a camera's raw file"),
        ("a.mp4", b"\0\0\0\x20ftypisom\0\0\x02\0", "a video"),
        ("a.m4a", b"\0\0\0\x20ftypM4A \0\0\x02\0", "a sound file"),
        ("a.mkv", b"\x1a\x45\xdf\xa3\x9f", "a video"),
        ("a.png", b"\n<!DOCTYPE html><html>", "a web page"),
        ("a.txt", "Größe\n".encode() * 1000, "a text file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_not_read_here_has_a_name(name: str, content: bytes, what: str) -> None:
    found = identify(content[:HEAD_BYTES], name)
    assert found is not None
    assert found.what == what
    assert found.suffix is None


@pytest.mark.parametrize("content", [b"", b"\0\x01\x02", b"\xff\xfeb\0i\0n\0", b"caf\xe9 au lait"])
def test_what_is_not_known_has_none(content: bytes) -> None:
    assert identify(content, "a.bin") is None


@pytest.mark.parametrize("format", ["jpeg", "png", "gif", "webp", "tiff", "jpeg2000", "avif"])
def test_an_image_is_known_with_the_suffix_that_it_should_have(format: str) -> None:  # noqa: A002 (Pillow's word)
    made = io.BytesIO()
    Image.new("RGB", (16, 16)).save(made, format)
    found = identify(made.getvalue()[:HEAD_BYTES], "photo")
    assert found is not None
    assert found.suffix in Image.registered_extensions()
    assert Image.registered_extensions()[found.suffix] == format.upper()
    assert probe(made.getvalue()).format == format


def test_a_character_that_the_end_of_the_head_cuts_is_text() -> None:
    text = ("x" + "é" * HEAD_BYTES).encode()
    found = identify(text[:HEAD_BYTES], "a")
    assert found is not None
    assert found.what == "a text file"
