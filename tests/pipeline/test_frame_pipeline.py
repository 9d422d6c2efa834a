"""Animations and pages: each frame as it would be alone, timed as it was, one at a time."""

import io
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage
import tifffile
from PIL import Image, ImageDraw

from upscaled.errors import (
    ImageTooLarge,
    LargeEnough,
    StopRequested,
    TruncatedImage,
    UnsupportedImage,
)
from upscaled.formats import STREAMED
from upscaled.image.decode import frames as module
from upscaled.image.decode.animation_end import has_end
from upscaled.image.decode.frames import Frame, Timeline, open_frames
from upscaled.image.encode import tiff
from upscaled.image.encode.gif import write_gif
from upscaled.image.picture import Picture
from upscaled.outcomes import Duplicate
from upscaled.pipeline import run
from upscaled.recipe import Fit

Job = Any
DURATIONS = [100, 200, 0, 50, 70, 1000]
PAINT = [(200, 0, 0, 255), (0, 90, 255, 255), (255, 255, 255, 255), (0, 0, 0, 255)]


def drawings(count: int = 6, *, clear: bool = False, size: tuple[int, int] = (41, 31)) -> Any:
    """A square that stands still and a disc that moves, on nothing or on blue."""
    ground = (0, 0, 0, 0) if clear else (20, 40, 60, 255)
    made = []
    for number in range(count):
        image = Image.new("RGBA", size, ground)
        draw = ImageDraw.Draw(image)
        draw.rectangle((2, 2, 10, 10), fill=PAINT[0])
        draw.ellipse((number * 5, 12, number * 5 + 9, 21), fill=PAINT[number % 3 + 1])
        made.append(image if clear else image.convert("RGB"))
    return made


def drop(job: Job, name: str, images: Any, **options: Any) -> Path:
    path: Path = job.inbox / name
    images[0].save(path, save_all=True, append_images=images[1:], **options)
    return path


def seen(path: Path) -> tuple[list[Any], list[float], int | None]:
    """Each frame as RGBA without what cannot be seen, how long it stays, and the loop."""
    frames, durations = [], []
    with Image.open(path) as image:
        loop = image.info.get("loop")
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            pixels = np.array(image.convert("RGBA"))
            pixels[pixels[..., 3] == 0] = 0
            frames.append(pixels)
            durations.append(image.info.get("duration", 0))
    return frames, durations, loop


def alone(job: Job, pixels: Any) -> Any:
    """What the very picture becomes as a file of its own."""
    source = job.drop(pixels, f"alone-{np.random.default_rng().integers(1 << 60)}.png")
    path = job.run(job.order(source)).result.path
    (result,), *_ = seen(path)
    return result


@pytest.mark.parametrize("loop", [None, 0, 1, 5])
@pytest.mark.parametrize("clear", [False, True])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.gif", {"disposal": 0}),
        ("a.gif", {"disposal": 2}),
        ("a.png", {"blend": 1}),
        ("a.png", {"disposal": 1}),
        ("a.webp", {"lossless": True}),
    ],
)
def test_every_frame_is_what_it_is_alone_and_timed_as_it_was(
    job: Job, name: str, options: Any, clear: bool, loop: int | None
) -> None:
    options = options | {"duration": DURATIONS} | ({} if loop is None else {"loop": loop})
    source = drop(job, name, drawings(clear=clear), **options)
    wanted, durations, plays = seen(source)
    # Lossy coding aside, which is another test's affair.
    form = "png" if name.endswith("webp") else "same"
    done = job.run(job.order(source, format=form))
    got, got_durations, got_plays = seen(done.result.path)
    assert len(got) == len(wanted) == 6
    assert got_durations == pytest.approx(durations)
    assert got_plays == plays
    assert done.notes == ()
    for frame, pixels in zip(got, wanted, strict=True):
        expected = alone(job, pixels)
        if name == "a.gif":  # which knows no half transparency
            expected[expected[..., 3] < 128] = 0
            expected[expected[..., 3] > 0, 3] = 255
        assert np.array_equal(frame, expected)


@pytest.mark.parametrize("form", ["webp", "avif"])
def test_lossy_animations_are_near_and_keep_their_times(job: Job, form: str) -> None:
    durations = [100, 33, 40, 50, 70, 1000]
    source = drop(job, "a.webp", drawings(), duration=durations, loop=2, lossless=True)
    done = job.run(job.order(source, format=form, quality=95))
    got, got_durations, _ = seen(done.result.path)
    assert got_durations == durations
    wanted, *_ = seen(source)
    for frame, pixels in zip(got, wanted, strict=True):
        larger = pixels.repeat(2, axis=0).repeat(2, axis=1).astype(int)
        assert np.abs(frame - larger).mean() < 3
    assert len(done.notes) == (form == "avif")  # which cannot say how often it plays


def test_what_stands_still_in_a_lossy_webp_is_the_same_to_the_bit(job: Job) -> None:
    rng = np.random.default_rng(5)
    noise = Image.fromarray(rng.integers(0, 256, (30, 40, 3), np.uint8))
    images = [noise.copy() for _ in range(3)]
    for number, image in enumerate(images):
        # Two corners move: the box of what changes is nearly all of it.
        image.paste((255, 0, 0), (number, 0, number + 3, 3))
        image.paste((0, 255, 0), (36 - number, 26, 39 - number, 29))
    source = drop(job, "a.webp", images, duration=50, lossless=True)
    (one, two, three), *_ = seen(job.run(job.order(source, format="webp")).result.path)
    assert np.array_equal(one[8:50, :60], two[8:50, :60])
    assert np.array_equal(one[8:50, :60], three[8:50, :60])


def test_a_gif_of_many_colours_does_not_flicker(job: Job) -> None:
    rng = np.random.default_rng(6)
    down, right = np.mgrid[0:60, 0:80]
    ground = np.dstack([down * 4, right * 3, (down + right) * 1]).astype(np.uint8)
    images = []
    for number in range(5):
        pixels = ground.copy()
        pixels[20:40, 10 * number : 10 * number + 12] = rng.integers(0, 256, (20, 12, 3))
        images.append(Image.fromarray(pixels))
    source = drop(job, "a.png", images, duration=50)
    # A GIF comes from a GIF; 256 colours are few for it, so frames hold other palettes.
    gif = job.inbox / "b.gif"
    with Image.open(source) as film:
        film.save(gif, save_all=True, duration=50)
    frames, *_ = seen(job.run(job.order(gif)).result.path)
    wanted, *_ = seen(gif)
    for one, two, before, after in zip(frames, frames[1:], wanted, wanted[1:], strict=False):
        still = (before == after).all(axis=2).repeat(2, axis=0).repeat(2, axis=1)
        assert np.array_equal(one[still], two[still])
    for frame, pixels in zip(frames, wanted, strict=True):
        apart = np.abs(frame.astype(int) - pixels.repeat(2, axis=0).repeat(2, axis=1))
        assert apart.mean() < 6


def test_a_gif_of_photographs_is_no_darker_than_they_are(job: Job) -> None:
    with Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png") as photo:
        images = [photo.convert("RGB").crop((n, 0, n + 120, 90)) for n in (0, 130, 260)]
    done = job.run(job.order(drop(job, "a.png", images, duration=50), format="png"))
    wanted, *_ = seen(done.result.path)
    stream = io.BytesIO()
    pictures = [Picture(np.ascontiguousarray(frame[..., :3])) for frame in wanted]
    write_gif(stream, iter(map(Frame, pictures)), Timeline((50.0, 50.0, 50.0), 0))
    (job.inbox / "b.gif").write_bytes(stream.getvalue())
    got, *_ = seen(job.inbox / "b.gif")
    for frame, pixels in zip(got, wanted, strict=True):
        moved = frame.mean(axis=(0, 1)) - pixels.mean(axis=(0, 1))
        assert np.abs(moved).max() <= 0.5


def test_a_frame_that_repeats_the_last_costs_no_work(job: Job) -> None:
    one, two = drawings(2)
    images = [one, one.copy(), one.copy(), two, two.copy()]
    source = drop(job, "a.webp", images, duration=[10, 20, 30, 40, 50], lossless=True)
    done = job.run(job.order(source, format="png"))
    got, durations, _ = seen(done.result.path)
    wanted, wanted_durations, _ = seen(source)
    assert job.upscaler.calls == len({frame.tobytes() for frame in wanted})
    assert (len(got), durations) == (len(wanted), wanted_durations)


@pytest.mark.parametrize(("name", "form"), [("a.gif", "jpeg"), ("a.png", "tiff"), ("b.tif", "png")])
def test_what_cannot_hold_all_frames_gets_the_first_and_says_so(
    job: Job, name: str, form: str
) -> None:
    source = drop(job, name, drawings(3))
    done = job.run(job.order(source, format=form))
    what = "pages" if name == "b.tif" else "frames"
    expected = f"{form} holds one picture: only the first of its 3 {what} was upscaled"
    assert done.notes == (expected,)
    assert job.upscaler.calls == 1


@pytest.mark.parametrize("is_known", [False, True])
def test_a_rule_that_deletes_its_sources_loses_no_frame(job: Job, is_known: bool) -> None:
    source = drop(job, "a.gif", drawings(3))
    if is_known:
        job.ledger.twin = Duplicate(7, job.run(job.order(source, format="jpeg")).result)
    with pytest.raises(UnsupportedImage, match="2 of 3 would be lost"):
        job.run(job.order(source, format="jpeg", on_success="delete"))
    assert len(job.left()) == is_known


def test_a_rule_that_deletes_its_sources_spares_what_is_behind_a_picture(job: Job) -> None:
    source = drop(job, "a.mpo", drawings(2))
    with pytest.raises(UnsupportedImage, match="1 more picture in it would be lost"):
        job.run(job.order(source, on_success="delete"))
    assert job.run(job.order(source)).notes == ("only the first of its 2 pictures was upscaled",)


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp"])
def test_an_animation_of_one_frame_is_a_picture(job: Job, name: str) -> None:
    done = job.run(job.order(drop(job, name, drawings(1), duration=100)))
    frames, *_ = seen(done.result.path)
    assert (len(frames), done.notes) == (1, ())


def test_the_default_image_of_an_apng_is_no_frame(job: Job) -> None:
    source = drop(job, "a.png", drawings(4), duration=100, default_image=True)
    done = job.run(job.order(source))
    frames, *_ = seen(done.result.path)
    assert len(frames) == 3
    assert "first frame" in done.notes[0]


def test_an_animation_can_be_given_a_size(job: Job) -> None:
    source = drop(job, "a.gif", drawings(3), duration=100)
    done = job.run(job.order(source, fit=Fit(long_edge_px=60)))
    frames, *_ = seen(done.result.path)
    assert {frame.shape for frame in frames} == {(45, 60, 4)}
    assert (done.result.width_px, done.result.height_px) == (60, 45)


@pytest.mark.parametrize(
    ("wish", "form", "size"), [("png", "PNG", (82, 62)), ("downscale", "WEBP", (60, 45))]
)
def test_an_animation_that_its_format_cannot_hold_is_what_the_rule_chose(
    job: Job, monkeypatch: pytest.MonkeyPatch, wish: str, form: str, size: tuple[int, int]
) -> None:
    monkeypatch.setitem(STREAMED, "webp", replace(STREAMED["webp"], most_px=60))
    source = drop(job, "a.webp", drawings(3), duration=100)
    with pytest.raises(ImageTooLarge, match="82×62"):
        job.run(job.order(source))
    assert job.upscaler.calls == 0
    done = job.run(job.order(source, on_too_large=wish))
    assert (done.result.width_px, done.result.height_px) == size
    assert "82×62 px is more than webp can hold" in done.notes[0]
    with Image.open(done.result.path) as image:
        assert (image.format, image.size, image.n_frames) == (form, size, 3)


# Pages


def test_pages_keep_their_own_size_depth_and_resolution(job: Job) -> None:
    rng = np.random.default_rng(8)
    images = [
        Image.fromarray(rng.integers(0, 256, (10, 20, 3), np.uint8)),
        Image.fromarray(rng.integers(0, 256, (30, 8), np.uint8)),
        Image.fromarray(rng.integers(0, 65_536, (7, 9), np.uint16)),
    ]
    for number, image in enumerate(images):
        image.encoderinfo = {"dpi": (100 + number, 100 + number)}
    source = drop(job, "a.tif", images, compression="tiff_deflate")
    done = job.run(job.order(source))
    assert (done.result.width_px, done.result.height_px) == (40, 20)
    with Image.open(done.result.path) as result, Image.open(source) as before:
        assert result.n_frames == 3
        for number in range(3):
            result.seek(number)
            before.seek(number)
            larger = np.array(before).repeat(2, axis=0).repeat(2, axis=1)
            assert np.array_equal(np.array(result), larger)
            assert result.info.get("dpi") == before.info.get("dpi")


@pytest.mark.parametrize("limit", [1_000, 100_000])
def test_pages_of_more_than_a_tiff_can_hold_become_a_big_one(
    job: Job, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(tiff, "BIG_BYTES", limit)
    source = drop(job, "a.tif", drawings(3))
    path = job.run(job.order(source)).result.path
    assert max(path.read_bytes()[2:4]) == (43 if limit == 1_000 else 42)
    wanted, *_ = seen(source)
    got, *_ = seen(path)
    assert [frame.shape for frame in got] == [(62, 82, 4)] * 3
    for frame, pixels in zip(got, wanted, strict=True):
        assert np.array_equal(frame, pixels.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("provenance", [True, False])
def test_pages_with_and_without_tags_are_one_file(job: Job, order: Any, provenance: bool) -> None:
    source = job.inbox / "a.tif"
    with tifffile.TiffWriter(source, byteorder=order) as writer:
        for extra in ([], [(315, 2, 0, "Ada", True)], []):
            pixels = np.zeros((5, 6, 3), np.uint8)
            writer.write(pixels, metadata=None, software=False, extratags=extra)
    path = job.run(job.order(source, provenance=provenance)).result.path
    with tifffile.TiffFile(path) as result:
        assert [page.tags.valueof(315) for page in result.pages] == [None, "Ada", None]


def test_reduced_copies_of_pages_are_left_out_and_told(job: Job) -> None:
    pages = drawings(3)
    info = Image.Exif()
    info[254] = 1
    pages[1].encoderinfo = {"tiffinfo": info}
    source = drop(job, "a.tif", pages)
    done = job.run(job.order(source))
    with Image.open(done.result.path) as result:
        assert result.n_frames == 2
    assert "1 reduced" in done.notes[0]


def test_pages_that_are_large_enough_stay_as_they_are_beside_others(job: Job) -> None:
    source = drop(job, "a.tif", [Image.new("RGB", (50, 9)), Image.new("RGB", (10, 9))])
    fit = Fit(long_edge_px=40, only_if_smaller=True)
    with Image.open(job.run(job.order(source, fit=fit)).result.path) as result:
        assert result.size == (50, 9)
        result.seek(1)
        assert result.size == (40, 36)
    with pytest.raises(LargeEnough):
        job.run(job.order(source, fit=Fit(long_edge_px=9, only_if_smaller=True)))


# Limits, ends, progress


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.gif", {}), ("a.png", {}), ("a.webp", {}), ("a.avif", {}), ("a.tif", {})],
)
def test_an_animation_that_is_cut_anywhere_stops_before_the_network(
    job: Job, name: str, options: Any
) -> None:
    source = drop(job, name, drawings(5, size=(120, 80)), **options)
    content = source.read_bytes()
    for share in (0.3, 0.5, 0.7, 0.9, 0.99):
        source.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(TruncatedImage):
            job.run(job.order(source))
    assert job.upscaler.calls == 0


def test_bytes_behind_the_end_of_a_gif_are_no_matter(job: Job) -> None:
    source = drop(job, "a.gif", drawings(3))
    content = source.read_bytes()
    assert has_end(content + b"more")
    assert not has_end(content[:-1])
    source.write_bytes(content + bytes(7))
    frames, *_ = seen(job.run(job.order(source)).result.path)
    assert len(frames) == 3


def test_a_bomb_of_frames_is_refused_before_any_is_composed(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = drop(job, "a.gif", drawings(3))
    content = source.read_bytes()
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    bomb = content[:-1] + frame * 10_000 + b";"
    bomb = bomb[:6] + struct.pack("<HH", 5_000, 5_000) + bomb[10:]
    source.write_bytes(bomb)

    def never(_: bytes) -> Any:
        raise AssertionError("it was composed")

    monkeypatch.setattr(module, "_composed", never)
    with pytest.raises(ImageTooLarge, match="10,003 frames"):
        job.run(job.order(source))


def test_small_frames_are_counted_too() -> None:
    with pytest.raises(ImageTooLarge, match="2,000,000 frames"):
        module._check_total([(1, 1)] * 2_000_000, 4_000_000_000)


def test_progress_goes_over_all_frames_and_a_stop_between_two_leaves_nothing(job: Job) -> None:
    source = drop(job, "a.gif", drawings(4), duration=100)
    prepared = run.prepare(job.order(source), job.ledger, mark="mark")
    told: list[float] = []

    def progress(done: int, total: int) -> None:
        told.append(done / total)

    job.upscale(prepared, progress)
    assert told == sorted(told)
    assert (told[-1], job.upscaler.calls) == (1, 4)
    assert {0.25, 0.5, 0.75} <= set(told)
    job.upscaler.calls = 0
    told.clear()
    with pytest.raises(StopRequested):
        job.upscale(prepared, progress, lambda: job.upscaler.calls == 2)
    assert job.left() == []


def test_absurd_durations_are_kept_as_far_as_the_format_goes(job: Job) -> None:
    longest = 655_350
    source = drop(job, "a.gif", drawings(3), duration=[longest, 10, longest])
    for form in ("same", "webp", "png"):
        done = job.run(job.order(source, format=form))
        assert seen(done.result.path)[1] == [longest, 10, longest]


def test_frames_of_a_file_are_opened_one_by_one() -> None:
    buffer = io.BytesIO()
    images = drawings(5)
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], duration=100, loop=0)
    frames = open_frames(buffer.getvalue())
    assert (frames.count, frames.timeline.plays) == (5, 0)
    stream = iter(frames)
    first, second = next(stream), next(stream)
    assert first.picture.colour.shape == (31, 41, 3)
    assert not second.repeats
