"""Every image comes back right, through a real daemon and its real network."""

import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

import profiles
from fixtures_daemon import Daemon, Wish, crop
from upscaled.image import exif, png
from upscaled.image.decode import decode
from upscaled.image.encode import encode
from upscaled.image.metadata import Metadata
from upscaled.image.picture import Picture

EDGE_PX = 24
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'
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


def result(daemon: Daemon, name: str, content: bytes, inbox: Path | None = None) -> Picture:
    source = daemon.drop(name, content, inbox)
    (job,) = daemon.wait_done(source)
    assert job.output is not None
    return decode(job.output.read_bytes())


@pytest.mark.parametrize("form", NAMES)
def test_all_that_a_file_holds_comes_back(shared: Daemon, form: str) -> None:
    words = Metadata(camera_exif(), XMP, dpi=(300, 300))
    source = Picture(photograph(), icc=profiles.display_p3(), metadata=words)
    found = result(shared, f"full.{NAMES[form]}", written(source, form))
    assert (found.width_px, found.height_px) == (4 * EDGE_PX, 4 * EDGE_PX)
    assert found.icc == profiles.display_p3() or form == "jxl"
    block = found.metadata.exif
    assert block is not None
    assert b"note" + bytes(range(99)) in block
    assert "realesrgan-x4plus; 4x" in exif.software_of(block)
    assert found.metadata.xmp == (None if form == "jxl" else XMP)
    if form in ("jpeg", "png", "tiff"):
        assert found.metadata.dpi == pytest.approx((300, 300), rel=0.001)
    shrunk = found.colour.reshape(EDGE_PX, 4, EDGE_PX, 4, 3).mean(axis=(1, 3))
    assert np.abs(shrunk.mean(axis=(0, 1)) - source.colour.mean(axis=(0, 1))).max() < 2


@pytest.mark.parametrize("name", ["png", "tiff"])
def test_sixteen_bits_stay_sixteen(shared: Daemon, name: str) -> None:
    ramp = np.linspace(0, 65_535, EDGE_PX * EDGE_PX).round().astype(np.uint16)
    plane = ramp.reshape(EDGE_PX, EDGE_PX)
    source = Picture(np.dstack([plane, plane[::-1], plane.T]))
    found = result(shared, f"deep.{NAMES[name]}", written(source, name))
    assert found.colour.dtype == np.uint16
    assert len(np.unique(found.colour[..., 0])) > 5_000


def test_gray_comes_back_gray(shared: Daemon) -> None:
    plane = photograph()[..., 0]
    found = result(shared, "gray.png", written(Picture(np.dstack([plane] * 3), gray=True), "png"))
    assert found.gray
    assert found.metadata.exif


def test_red_on_transparent_with_green_below_shows_no_green(shared: Daemon) -> None:
    edge = 48
    place = (np.arange(edge) + 0.5) / edge - 0.5
    far = np.hypot(place[:, None], place[None])
    share = np.clip((0.4 - far) / 0.25, 0, 1)
    alpha = np.rint(255 * (0.5 - 0.5 * np.cos(np.pi * share))).astype(np.uint8)
    colour = np.where((alpha == 0)[..., None], (0, 255, 0), (255, 0, 0)).astype(np.uint8)
    found = result(shared, "disc.png", written(Picture(colour, alpha), "png"))
    assert found.alpha is not None
    assert found.colour[..., 1].max() <= 2
    place = (np.arange(4 * edge) + 0.5) / (4 * edge) - 0.5
    share = np.clip((0.4 - np.hypot(place[:, None], place[None])) / 0.25, 0, 1)
    ideal = 255 * (0.5 - 0.5 * np.cos(np.pi * share))
    assert np.abs(found.alpha - ideal).max() <= 2
    for paper in (0, 255):
        cover = found.alpha[..., None] / 255
        seen = found.colour * cover + paper * (1 - cover)
        meant = np.array([255, 0, 0]) * cover + paper * (1 - cover)
        assert np.abs(seen - meant).max() <= 2


def test_a_patch_in_display_p3_is_the_colour_that_it_is_in_srgb(shared: Daemon) -> None:
    """Colours that both gamuts hold: through each, the same colour comes back."""
    colours = [(200, 90, 60), (70, 130, 180), (90, 160, 80), (128, 128, 128)]
    for number, rgb in enumerate(colours):
        patch = Image.new("RGB", (48, 48), rgb)
        wide = profile_converted(patch, None, profiles.display_p3())
        plain = result(shared, f"s{number}.png", written(Picture(np.array(patch)), "png"))
        found = result(
            shared,
            f"p{number}.png",
            written(Picture(wide, icc=profiles.display_p3()), "png"),
        )
        shown = profile_converted(Image.fromarray(found.colour), found.icc, None)
        # The patch's colour: networks put some texture on it, another one in each space.
        one, other = (rgb2lab(pixels / 255.0).mean(axis=(0, 1)) for pixels in (shown, plain.colour))
        assert deltaE_ciede2000(one, other) <= 1, rgb


def profile_converted(image: Image.Image, there: bytes | None, to: bytes | None) -> Any:
    from PIL import ImageCms  # noqa: PLC0415 - only here

    def opened(icc: bytes | None) -> Any:
        if icc is None:
            return ImageCms.createProfile("sRGB")
        return ImageCms.ImageCmsProfile(io.BytesIO(icc))

    return np.asarray(ImageCms.profileToProfile(image, opened(there), opened(to)))


def test_what_is_broken_beside_the_pixels_is_left_out_and_said(shared: Daemon) -> None:
    content = png.with_chunks(
        written(Picture(photograph()), "png"),
        [png.profile(b"nonsense" * 40), (b"eXIf", b"II*\0\xff\xff\xff\xff")],
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
    source = Picture(photograph(), icc=profiles.adobe_rgb(), metadata=words)
    found = result(shared, "shown.jpg", written(source, "jpeg"), shared.folder / "shown")
    assert found.format == "WEBP"
    assert (found.icc, found.metadata.xmp) == (profiles.adobe_rgb(), XMP)


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
