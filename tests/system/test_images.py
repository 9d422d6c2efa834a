"""Every image comes back right, through a real daemon and its real network."""

import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from support import icc_profiles
from support.daemon_fixtures import Daemon, Wish, crop
from upscaled.image.decode.decode import decode
from upscaled.image.encode.encode import encode
from upscaled.image.metadata import exif, png_chunks
from upscaled.image.metadata.metadata import Metadata
from upscaled.image.picture import Picture

EDGE_PX = 24
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'
DEEP_PX, DISC_PX, PATCH_PX, PHOTO_PX = 40, 48, 32, 32
PATCHES = [(200, 90, 60), (70, 130, 180), (90, 160, 80), (128, 128, 128)]
_T = Image.Transpose
STORED = {
    2: _T.FLIP_LEFT_RIGHT,
    3: _T.ROTATE_180,
    4: _T.FLIP_TOP_BOTTOM,
    5: _T.TRANSPOSE,
    6: _T.ROTATE_90,
    7: _T.TRANSVERSE,
    8: _T.ROTATE_270,
}
"""How a camera stores what is upright at each orientation."""
PHOTOGRAPHS = {
    "astronaut.png": [(0, 0), (150, 40), (300, 300)],
    "chelsea.png": [(40, 60), (200, 80)],
    "coffee.png": [(30, 30), (200, 120), (400, 200)],
    "motorcycle_left.png": [(20, 20), (250, 200), (500, 300)],
    "motorcycle_right.png": [(120, 100)],
    "rocket.jpg": [(150, 60), (300, 250)],
    "camera.png": [(120, 60)],
    "coins.png": [(60, 60)],
    "hubble_deep_field.jpg": [(100, 100), (500, 400)],
    "brick.png": [(50, 50)],
    "retina.jpg": [(500, 500)],
}
"""Left and top of each window."""
NAMES = {"jpeg": "jpg", "png": "png", "webp": "webp", "avif": "avif", "tiff": "tif", "jxl": "jxl"}


@pytest.fixture(scope="module")
def wish() -> Wish:
    return Wish(
        rules={
            "photos": {},
            "shown": {"watch": "shown", "output": {"folder": "webs", "format": "webp"}},
        }
    )


def photograph(edge_px: int = EDGE_PX) -> Any:
    return np.asarray(crop(40, 40).convert("RGB").resize((edge_px, edge_px)))


def camera_exif(orientation: int = 1) -> bytes:
    made = Image.Exif()
    made[0x10F], made[exif.ORIENTATION] = "Maker", orientation
    made.get_ifd(exif.EXIF_IFD)[0x927C] = b"note" + bytes(range(99))
    gps = made.get_ifd(exif.GPS_IFD)
    gps[1], gps[2] = "N", (52.0, 31.0, 12.0)
    return made.tobytes().removeprefix(b"Exif\0\0")


def written(picture: Picture, name: str) -> bytes:
    return encode(picture, name)[0]


def result(daemon: Daemon, source: Path) -> Picture:
    (job,) = daemon.wait_done(source)
    assert job.output is not None
    return decode(job.output.read_bytes())


# What is dropped, all of it before the first test: the daemon works while tests look.


def full_sources() -> Iterator[tuple[str, bytes]]:
    words = Metadata(camera_exif(), XMP, dpi=(300, 300))
    picture = Picture(photograph(), icc=icc_profiles.display_p3(), metadata=words)
    for form, ending in NAMES.items():
        yield f"full.{ending}", written(picture, form)


def deep_sources() -> Iterator[tuple[str, bytes]]:
    ramp = np.linspace(0, 65_535, DEEP_PX * DEEP_PX).round().astype(np.uint16)
    plane = ramp.reshape(DEEP_PX, DEEP_PX)
    picture = Picture(np.dstack([plane, plane[::-1], plane.T]))
    for name in ("png", "tiff"):
        yield f"deep.{NAMES[name]}", written(picture, name)


def disc() -> bytes:
    share = disc_share(DISC_PX)
    alpha = np.rint(255 * share).astype(np.uint8)
    colour = np.where((alpha == 0)[..., None], (0, 255, 0), (255, 0, 0)).astype(np.uint8)
    return written(Picture(colour, alpha), "png")


def disc_share(edge_px: int) -> Any:
    """Of each pixel, how much is red: all in the middle, none outside, softly in between."""
    place = (np.arange(edge_px) + 0.5) / edge_px - 0.5
    share = np.clip((0.4 - np.hypot(place[:, None], place[None])) / 0.25, 0, 1)
    return 0.5 - 0.5 * np.cos(np.pi * share)


def patch_sources() -> Iterator[tuple[str, bytes]]:
    for number, rgb in enumerate(PATCHES):
        patch = Image.new("RGB", (PATCH_PX, PATCH_PX), rgb)
        wide = profile_converted(patch, None, icc_profiles.display_p3())
        yield f"s{number}.png", written(Picture(np.array(patch)), "png")
        yield f"p{number}.png", written(Picture(wide, icc=icc_profiles.display_p3()), "png")


def turned_sources() -> Iterator[tuple[str, bytes]]:
    """One picture as a camera stores it in each of eight positions."""
    upright = Image.fromarray(photograph()[:16, :12])
    for number in range(1, 9):
        words = Image.Exif()
        words[exif.ORIENTATION] = number
        stored = upright if number == 1 else upright.transpose(STORED[number])
        buffer = io.BytesIO()
        stored.save(buffer, "PNG", exif=words)
        yield f"turned{number}.png", buffer.getvalue()


def photographs() -> Iterator[tuple[str, bytes]]:
    """Twenty windows of the photographs that come with scikit-image, made four times smaller."""
    folder = Path(skimage.__file__).parent / "data"
    for name, windows in PHOTOGRAPHS.items():
        with Image.open(folder / name) as photo:
            rgb = photo.convert("RGB")
        for left, top in windows:
            window = rgb.crop((left, top, left + 4 * PHOTO_PX, top + 4 * PHOTO_PX))
            small = window.resize((PHOTO_PX, PHOTO_PX), Image.Resampling.LANCZOS)
            yield f"{Path(name).stem}-{left}.png", written(Picture(np.array(small)), "png")


@pytest.fixture(scope="module")
def sources(_shared: Daemon) -> dict[str, Path]:
    """By name."""
    gray = Picture(np.dstack([photograph()[..., 0]] * 3), gray=True)
    made = dict(
        [
            *full_sources(),
            *deep_sources(),
            ("gray.png", written(gray, "png")),
            ("disc.png", disc()),
            *patch_sources(),
            *turned_sources(),
            *photographs(),
        ]
    )
    return {name: _shared.drop(name, content) for name, content in made.items()}


@pytest.mark.parametrize("form", NAMES)
def test_all_that_a_file_holds_comes_back(
    shared: Daemon, sources: dict[str, Path], form: str
) -> None:
    found = result(shared, sources[f"full.{NAMES[form]}"])
    assert (found.width_px, found.height_px) == (4 * EDGE_PX, 4 * EDGE_PX)
    assert found.icc == icc_profiles.display_p3() or form == "jxl"
    block = found.metadata.exif
    assert block is not None
    assert b"note" + bytes(range(99)) in block
    assert "realesrgan-x4plus; 4x" in exif.software_of(block)
    assert found.metadata.xmp == XMP
    if form in ("jpeg", "png", "tiff"):
        assert found.metadata.dpi == pytest.approx((300, 300), rel=0.001)
    shrunk = found.colour.reshape(EDGE_PX, 4, EDGE_PX, 4, 3).mean(axis=(1, 3))
    assert np.abs(shrunk.mean(axis=(0, 1)) - photograph().mean(axis=(0, 1))).max() < 2


@pytest.mark.parametrize("name", ["png", "tiff"])
def test_sixteen_bits_stay_sixteen(shared: Daemon, sources: dict[str, Path], name: str) -> None:
    found = result(shared, sources[f"deep.{NAMES[name]}"])
    assert found.colour.dtype == np.uint16
    assert len(np.unique(found.colour[..., 0])) > 10_000


def test_gray_comes_back_gray(shared: Daemon, sources: dict[str, Path]) -> None:
    found = result(shared, sources["gray.png"])
    assert found.gray
    assert found.metadata.exif


def test_eight_orientations_give_the_same_pixels(shared: Daemon, sources: dict[str, Path]) -> None:
    first, *others = (result(shared, sources[f"turned{number}.png"]) for number in range(1, 9))
    assert (first.width_px, first.height_px) == (48, 64)
    for other in others:
        assert np.array_equal(other.colour, first.colour)
        assert exif.orientation_of(other.metadata.exif or b"") == 1


def test_red_on_transparent_with_green_below_shows_no_green(
    shared: Daemon, sources: dict[str, Path]
) -> None:
    found = result(shared, sources["disc.png"])
    assert found.alpha is not None
    assert found.colour[..., 1].max() <= 2
    assert np.abs(found.alpha - 255 * disc_share(4 * DISC_PX)).max() <= 2
    for paper in (0, 255):
        cover = found.alpha[..., None] / 255
        seen = found.colour * cover + paper * (1 - cover)
        meant = np.array([255, 0, 0]) * cover + paper * (1 - cover)
        assert np.abs(seen - meant).max() <= 2


def test_a_patch_in_display_p3_is_the_colour_that_it_is_in_srgb(
    shared: Daemon, sources: dict[str, Path]
) -> None:
    """Colours that both gamuts hold: through each, the same colour comes back."""
    for number, rgb in enumerate(PATCHES):
        plain = result(shared, sources[f"s{number}.png"])
        found = result(shared, sources[f"p{number}.png"])
        shown = profile_converted(Image.fromarray(found.colour), found.icc, None)
        # The patch's colour: networks put some texture on it, another one in each space.
        one, other = (rgb2lab(pixels / 255.0).mean(axis=(0, 1)) for pixels in (shown, plain.colour))
        assert deltaE_ciede2000(one, other) <= 1, rgb


def test_the_mean_colour_of_twenty_photographs_stays(
    shared: Daemon, sources: dict[str, Path]
) -> None:
    names = [name for name, _ in photographs()]
    assert len(names) == 20
    for name in names:
        before = np.asarray(Image.open(sources[name]), np.float64)
        after = result(shared, sources[name]).colour
        moved = np.abs(after.mean(axis=(0, 1)) - before.mean(axis=(0, 1)))
        assert moved.max() <= 0.5, (name, moved)


def profile_converted(image: Image.Image, there: bytes | None, to: bytes | None) -> Any:
    from PIL import ImageCms  # noqa: PLC0415 - only here

    def opened(icc: bytes | None) -> Any:
        if icc is None:
            return ImageCms.createProfile("sRGB")
        return ImageCms.ImageCmsProfile(io.BytesIO(icc))

    return np.asarray(ImageCms.profileToProfile(image, opened(there), opened(to)))


def test_what_is_broken_beside_the_pixels_is_left_out_and_said(shared: Daemon) -> None:
    content = png_chunks.with_chunks(
        written(Picture(photograph()), "png"),
        [png_chunks.profile(b"nonsense" * 40), (b"eXIf", b"II*\0\xff\xff\xff\xff")],
    )
    source = shared.drop("broken.jpg", content)
    (job,) = shared.wait_done(source)
    assert job.output is not None
    assert job.output.suffix == ".png", "content decides, not the name"
    shown = shared.call("show", str(job.id)).stdout
    assert "its colour profile is broken and was left out" in shown
    assert "its EXIF block is broken and was left out" in shown


def test_another_format_holds_all_that_it_can(shared: Daemon) -> None:
    words = Metadata(camera_exif(), XMP)
    source = Picture(photograph(), icc=icc_profiles.adobe_rgb(), metadata=words)
    dropped = shared.drop("shown.jpg", written(source, "jpeg"), shared.folder / "shown")
    found = result(shared, dropped)
    assert found.format == "WEBP"
    assert (found.icc, found.metadata.xmp) == (icc_profiles.adobe_rgb(), XMP)


def test_a_result_that_comes_back_to_its_inbox_is_not_done_again(shared: Daemon) -> None:
    source = shared.drop("again.png", written(Picture(photograph(16)), "png"))
    (job,) = shared.wait_done(source)
    assert job.output is not None
    back = shared.drop("again-4x.png", job.output.read_bytes())
    failed = shared.wait_failed(back)
    assert "result of this very rule" in str(failed.reason)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="no exiftool here")
def test_exiftool_sees_the_camera_in_the_result(shared: Daemon) -> None:
    words = Metadata(camera_exif(orientation=1))
    content = written(Picture(photograph(), metadata=words), "jpeg")
    source = shared.drop("camera.jpg", content)
    (job,) = shared.wait_done(source)
    ran = subprocess.run(
        ["exiftool", "-j", "-n", "-Make", "-GPSLatitude", "-Orientation", str(job.output)],
        capture_output=True,
        check=True,
        timeout=60,
    )
    (found,) = json.loads(ran.stdout)
    assert found["Make"] == "Maker"
    assert found["GPSLatitude"] == pytest.approx(52.52, abs=0.01)
    assert found.get("Orientation", 1) == 1
