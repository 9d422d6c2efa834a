"""What a file is that no rule takes, by its first bytes: a document, a video, a misnamed image.

Pure. Only what people really drop is told apart; the decoder never asks here.
"""

from dataclasses import dataclass

HEAD_BYTES = 4096
"""Enough for each signature below, and for an `<svg` behind a comment."""


@dataclass(frozen=True, slots=True)
class Content:
    """`what`: with its article. `advice`: what to do for an upscaled image; None: nothing helps."""

    what: str
    advice: str | None = None
    suffix: str | None = None
    """Of an image that is read here: how its name should end."""


_RAW = Content("a camera's raw file", "develop it to TIFF or PNG first, with darktable or the like")
_VECTOR = "export it as PNG, as large as you want it: it has no pixels of its own"
_PAGES = "export its pages as PNG or TIFF first, with pdftoppm or the like"
_PROJECT = "export it as PNG or TIFF from the program that made it"
_FRAMES = "save the frames that you want as PNG first, with ffmpeg or the like"
_UNPACK = "unpack it, and put the images there"
_SAVE = "save the images in it as files first"
_VIDEO = Content("a video", _FRAMES)
_ARCHIVE = Content("an archive", _UNPACK)
_SOUND = Content("a sound file")
_HEIF = Content("a HEIF image", suffix=".heic")
_AVIF = Content("an AVIF image", suffix=".avif")
_JXL = Content("a JPEG XL image", suffix=".jxl")
_JP2 = Content("a JPEG 2000 image", suffix=".jp2")
_TIFF = Content("a TIFF image", suffix=".tif")

_SIGNATURES: tuple[tuple[int, bytes, Content], ...] = (
    # (offset, bytes, what it is); the first that fits
    (0, b"%!PS", Content("a PostScript file", _PAGES)),
    (0, b"\xff\xd8\xff", Content("a JPEG image", suffix=".jpg")),
    (0, b"\x89PNG\r\n", Content("a PNG image", suffix=".png")),
    (0, b"GIF8", Content("a GIF image", suffix=".gif")),
    (8, b"WEBP", Content("a WebP image", suffix=".webp")),
    (0, b"\xff\x0a", _JXL),
    (4, b"JXL ", _JXL),
    (4, b"jP  ", _JP2),
    (0, b"8BPS", Content("a Photoshop file", _PROJECT)),
    (0, b"gimp xcf", Content("a GIMP project", _PROJECT)),
    (30, b"mimetypeapplication/x-krita", Content("a Krita project", _PROJECT)),
    (30, b"mimetypeimage/openraster", Content("an OpenRaster project", _PROJECT)),
    (30, b"mimetypeapplication/vnd.oasis", Content("an office document", _SAVE)),
    (30, b"mimetypeapplication/epub", Content("an e-book", _SAVE)),
    (30, b"[Content_Types].xml", Content("an office document", _SAVE)),
    (0, b"\xd0\xcf\x11\xe0", Content("an office document", _SAVE)),
    (0, b"PK\x03\x04", _ARCHIVE),
    (0, b"Rar!", _ARCHIVE),
    (0, b"7z\xbc\xaf\x27\x1c", _ARCHIVE),
    (0, b"\xfd7zXZ", _ARCHIVE),
    (0, b"BZh", _ARCHIVE),
    (0, b"\x28\xb5\x2f\xfd", _ARCHIVE),
    (257, b"ustar", _ARCHIVE),
    (0, b"\x1a\x45\xdf\xa3", _VIDEO),  # Matroska, WebM
    (8, b"AVI ", _VIDEO),
    (0, b"\0\0\x01\xba", _VIDEO),
    (0, b"FLV", _VIDEO),
    (8, b"WAVE", _SOUND),
    (0, b"ID3", _SOUND),
    (0, b"OggS", _SOUND),
    (0, b"fLaC", _SOUND),
    (0, b"FUJIFILMCCD-RAW", _RAW),
    (0, b"FOVb", _RAW),  # Sigma
    (0, b"IIRO", _RAW),  # Olympus
    (0, b"IIRS", _RAW),
    (0, b"IIU\0", _RAW),  # Panasonic
    (8, b"CR\x02", _RAW),  # Canon
)
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), _HEIF),
    **dict.fromkeys((b"avif", b"avis"), _AVIF),
    b"crx ": _RAW,
    b"M4A ": _SOUND,
}
"""Of ISO base media files; the others are videos."""
_RAW_SUFFIXES = frozenset(
    (
        *("3fr", "arw", "cr2", "dcr", "dng", "erf", "fff", "gpr", "iiq", "kdc"),
        *("mef", "mos", "nef", "nrw", "pef", "rwl", "sr2", "srf", "srw"),
    )
)
"""Raw files that are TIFFs by their first bytes: there the name decides."""


def identify(head: bytes, name: str) -> Content | None:
    """What a file called `name` is, of which `head` holds the first `HEAD_BYTES`; None: unknown."""
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], _VIDEO)
    for offset, signature, content in _SIGNATURES:
        if head.startswith(signature, offset):
            return content
    suffix = name.lower().rpartition(".")[2]
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return _RAW if suffix in _RAW_SUFFIXES else _TIFF
    if head.startswith(b"\x1f\x8b"):
        return Content("an SVG drawing", _VECTOR) if suffix == "svgz" else _ARCHIVE
    if b"%PDF-" in head[:1024]:  # where Acrobat still looks for it
        return Content("a PDF document", _PAGES)
    return _of_text(head)


def _of_text(head: bytes) -> Content | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return Content("a web page", "the download gave a page: get the image itself")
    if text.startswith(b"<") and b"<svg" in text:
        return Content("an SVG drawing", _VECTOR)
    # The last character may be cut in two.
    shown = head.decode("utf-8-sig", "replace").rstrip("\ufffd")
    is_text = all(each != "\ufffd" and (each.isprintable() or each in "\t\n\r\f") for each in shown)
    return Content("a text file") if shown and is_text else None
