"""One job from bytes to a durable result, on real files."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from upscaled.errors import (
    BadResult,
    ImageTooLarge,
    LargeEnough,
    OutputExists,
    SourceChanged,
    StopRequested,
    TruncatedImage,
)
from upscaled.outcomes import Done, Duplicate, Result
from upscaled.output.source_cleanup import fingerprint
from upscaled.pipeline import run
from upscaled.recipe import Fit

Job = Any
RNG = np.random.default_rng(3)


def noise(height: int = 6, width: int = 10, channels: int = 3) -> Any:
    return RNG.integers(0, 256, (height, width, channels), np.uint8)


def read(path: Path) -> Any:
    with Image.open(path) as image:
        return np.array(image)


def test_a_photo_comes_out_larger_with_all_that_is_told_of_it(job: Job) -> None:
    pixels = noise()
    source = job.drop(pixels)
    done = job.run(job.order(source, fingerprint=fingerprint(source)))
    result = job.outbox / "a_2x.png"
    content = result.read_bytes()
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert done.result == Result(result, hashlib.sha256(content).hexdigest(), 20, 12, 2)
    assert done.content_sha256 == digest
    assert (done.duplicate_of, done.notes) == (None, ())
    assert np.array_equal(read(result), pixels.repeat(2, axis=0).repeat(2, axis=1))
    assert job.left() == ["a_2x.png"]
    assert job.ledger.told == [("identify", 1, digest), ("announce", 1, done.result)]
    assert done.timings.upscale_s > 0


def test_the_folder_below_the_inbox_is_mirrored(job: Job) -> None:
    done = job.run(job.order(job.drop(noise()), relative=Path("sub/caf\udce9")))
    assert done.result.path == job.outbox / "sub" / "caf\udce9" / "a_2x.png"


@pytest.mark.parametrize(
    ("source", "result"), [(0o600, 0o600), (0o640, 0o640), (0o444, 0o644), (0o777, 0o644)]
)
def test_nobody_sees_a_result_who_may_not_see_its_source(
    job: Job, source: int, result: int
) -> None:
    umask = os.umask(0o022)
    try:
        dropped = job.drop(noise())
        dropped.chmod(source)
        made = job.run(job.order(dropped)).result.path
    finally:
        os.umask(umask)
    assert made.stat().st_mode & 0o777 == result


def test_gray_stays_gray_whatever_the_network_paints(job: Job) -> None:
    class Tinting(type(job.upscaler)):
        def upscale(self, pixels: Any, **seams: Any) -> Any:
            result = super().upscale(pixels, **seams).copy()
            result[..., 0] |= 3
            return result

    job.upscaler = Tinting(2)
    done = job.run(job.order(job.drop(noise(channels=1)[..., 0])))
    with Image.open(done.result.path) as image:
        assert image.mode == "L"


def test_transparency_is_enlarged_beside_the_colour(job: Job) -> None:
    pixels = noise(channels=4)
    pixels[..., 3] = 255
    pixels[:3, :, 3] = 0
    result = read(job.run(job.order(job.drop(pixels))).result.path)
    assert result.shape == (12, 20, 4)
    assert result[:4, :, 3].max() == 0
    assert result[8:, :, 3].min() == 255


def test_sixteen_bits_stay_sixteen(job: Job) -> None:
    plane = RNG.integers(0, 65_536, (6, 10), np.uint16)
    done = job.run(job.order(job.drop(plane)))
    assert np.array_equal(read(done.result.path), plane.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize(
    ("name", "form", "result"),
    [
        ("a.jpg", "same", "a_2x.jpg"),
        ("a.JPEG", "same", "a_2x.JPEG"),
        ("a.tif", "same", "a_2x.tif"),
        ("a.bmp", "same", "a_2x.png"),
        ("a.jpg", "png", "a_2x.png"),
        ("a.png", "webp", "a_2x.webp"),
        ("a.b.c.png", "jpeg", "a.b.c_2x.jpg"),
    ],
)
def test_the_extension_says_what_is_inside(job: Job, name: str, form: str, result: str) -> None:
    done = job.run(job.order(job.drop(noise(), name), format=form))
    assert done.result.path.name == result
    with Image.open(done.result.path) as image:
        told = {"jpg": "JPEG", "jpeg": "JPEG", "tif": "TIFF"}
        suffix = result.rpartition(".")[2].lower()
        assert image.format == told.get(suffix, suffix.upper())


def test_content_decides_not_the_name(job: Job) -> None:
    source = job.drop(noise(), "really.png")
    lying = source.rename(job.inbox / "lying.jpg")
    assert job.run(job.order(lying)).result.path.name == "lying_2x.png"


def test_notes_of_decoder_network_and_encoder_come_together(job: Job) -> None:
    job.upscaler.notes = ("tiling was not exact",)
    pixels = noise(channels=4)
    done = job.run(job.order(job.drop(pixels), format="jpeg"))
    assert done.notes == ("tiling was not exact", "jpeg holds no transparency: put on white")


# The source


@pytest.mark.parametrize("change", ["rewritten", "replaced", "deleted", "a link"])
def test_a_source_that_changes_before_the_end_publishes_nothing(job: Job, change: str) -> None:
    source = job.drop(noise())
    other = job.drop(noise(), "other.png")

    def act() -> None:
        if change == "rewritten":
            source.write_bytes(source.read_bytes() + b" ")
        elif change == "replaced":
            other.replace(source)
        else:
            source.unlink()
            if change == "a link":
                source.symlink_to(other)

    with pytest.raises(SourceChanged):
        job.run(job.order(source), act)
    assert job.left() == []
    assert [told[0] for told in job.ledger.told] == ["identify"]


def test_a_source_that_changed_since_it_was_queued_is_not_even_read(job: Job) -> None:
    source = job.drop(noise())
    queued = fingerprint(source)
    job.drop(noise(7, 11))
    with pytest.raises(SourceChanged):
        job.run(job.order(source, fingerprint=queued))
    assert job.ledger.told == []


def test_a_truncated_source_stops_before_the_network(job: Job) -> None:
    source = job.drop(noise(40, 40))
    source.write_bytes(source.read_bytes()[:900])
    with pytest.raises(TruncatedImage):
        job.run(job.order(source))
    assert job.upscaler.calls == 0


# The network


def test_a_result_that_its_format_cannot_hold_is_refused_before_any_work(job: Job) -> None:
    source = job.drop(noise(1, 9_000), format="PNG")
    with pytest.raises(ImageTooLarge):
        job.run(job.order(source, format="webp"))
    assert job.upscaler.calls == 0


@pytest.mark.parametrize("broken", ["size", "dtype", "channels"])
def test_a_network_that_gives_no_picture_is_noticed(job: Job, broken: str) -> None:
    class Broken(type(job.upscaler)):
        def upscale(self, pixels: Any, **seams: Any) -> Any:
            result = super().upscale(pixels, **seams)
            if broken == "size":
                return result[:-1]
            return result.astype(np.uint16) if broken == "dtype" else result[..., :2]

    job.upscaler = Broken(2)
    with pytest.raises(BadResult):
        job.run(job.order(job.drop(noise())))
    assert job.left() == []


def test_a_cancelled_upscale_says_so(job: Job) -> None:
    prepared = run.prepare(job.order(job.drop(noise())), job.ledger, mark="mark")
    with pytest.raises(StopRequested):
        job.upscale(prepared, cancelled=lambda: True)


# Twins


def twin_of(done: Done) -> Duplicate:
    return Duplicate(17, done.result)


def test_the_result_of_the_same_bytes_is_copied(job: Job) -> None:
    source = job.drop(noise())
    first = job.run(job.order(source))
    job.ledger.twin = twin_of(first)
    second = job.inbox / "b.png"
    second.write_bytes(source.read_bytes())
    done = job.run(job.order(second, job_id=2))
    assert job.upscaler.calls == 1
    assert done.duplicate_of == 17
    assert done.result.path == job.outbox / "b_2x.png"
    assert done.result.path.read_bytes() == first.result.path.read_bytes()
    assert "job 17" in done.notes[0]
    assert job.ledger.told[-1] == ("announce", 2, done.result)


@pytest.mark.parametrize("loss", ["gone", "changed", "a folder"])
def test_a_result_that_is_no_more_is_made_anew(job: Job, loss: str) -> None:
    source = job.drop(noise())
    first = job.run(job.order(source))
    job.ledger.twin = twin_of(first)
    if loss == "changed":
        first.result.path.write_bytes(b"edited by hand")
    else:
        first.result.path.unlink()
        if loss == "a folder":
            first.result.path.mkdir()
    done = job.run(job.order(source, job_id=2))
    assert job.upscaler.calls == 2
    assert done.duplicate_of is None


def test_the_same_file_again_finds_its_own_result(job: Job) -> None:
    source = job.drop(noise())
    first, second = job.run(job.order(source)), job.run(job.order(source))
    assert first.result == second.result
    assert job.left() == ["a_2x.png"]


# Collisions


def test_a_taken_name_gets_a_number(job: Job) -> None:
    (job.outbox / "a_2x.png").write_bytes(b"not ours")
    assert job.run(job.order(job.drop(noise()))).result.path.name == "a_2x-2.png"


def test_a_taken_name_is_an_error_where_the_rule_says_so(job: Job) -> None:
    (job.outbox / "a_2x.png").write_bytes(b"not ours")
    with pytest.raises(OutputExists):
        job.run(job.order(job.drop(noise()), collision="fail"))
    assert job.left() == ["a_2x.png"]


# Scale and size


@pytest.mark.parametrize(
    ("fields", "size", "passes", "name"),
    [
        ({"scale": 3.0}, (30, 18), 2, "a_3x.png"),
        ({"scale": 1.5}, (15, 9), 1, "a_1.5x.png"),
        ({"fit": Fit(long_edge_px=77)}, (77, 46), 3, "a_7.7x.png"),
        ({"fit": Fit(width_px=5)}, (5, 3), 0, "a_0.5x.png"),
        (
            {"fit": Fit(megapixels=0.01), "name": "{width}-{height}.{ext}"},
            (129, 77),
            4,
            "129-77.png",
        ),
    ],
)
def test_a_result_has_the_size_that_was_asked_for(
    job: Job, fields: Any, size: tuple[int, int], passes: int, name: str
) -> None:
    done = job.run(job.order(job.drop(noise()), **fields))
    assert (done.result.width_px, done.result.height_px) == size
    assert read(done.result.path).shape == (size[1], size[0], 3)
    assert (job.upscaler.calls, done.result.path.name) == (passes, name)


def test_an_image_that_is_large_enough_is_skipped_before_the_network(job: Job) -> None:
    order = job.order(job.drop(noise()), fit=Fit(long_edge_px=10, only_if_smaller=True))
    with pytest.raises(LargeEnough, match="10×6 px"):
        job.run(order)
    assert job.left() == []


def test_progress_over_several_passes_only_grows(job: Job) -> None:
    told: list[float] = []
    prepared = run.prepare(job.order(job.drop(noise()), scale=8.0), job.ledger, mark="mark")
    job.upscale(prepared, lambda done, total: told.append(done / total))
    assert told == sorted(told)
    assert told[-1] == 1
    assert told[0] < 0.1
