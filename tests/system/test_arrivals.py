"""However a photograph gets into an inbox: its result is there once, and is the right one."""

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.daemon_fixtures import (
    PHOTO,
    SMALL_PX,
    Daemon,
    Wish,
    crop,
    is_upscaled,
    pixels,
    psnr_db,
    shrunk,
)

SLOW_SETTLE_S = 1.0
VISIBLE = 1.0
"""Grey levels, on average over all pixels and channels."""


@pytest.fixture(scope="module")
def wish() -> Wish:
    return Wish(
        rules={
            "photos": {},
            "slow": {"watch": "slow", "settle": SLOW_SETTLE_S},
            "jpegs": {
                "watch": "jpegs",
                "output": {"folder": "web", "format": "jpeg", "name": "{rule}-{stem}.{ext}"},
            },
            "moved": {"watch": "moved", "on_success": {"move": "originals"}},
            "deleted": {"watch": "deleted", "on_success": "delete"},
        }
    )


@pytest.fixture
def daemon(shared: Daemon) -> Daemon:
    return shared


def test_a_photograph_comes_back_four_times_larger_and_better_than_resized(
    daemon: Daemon,
) -> None:
    source = daemon.drop("photo.png", PHOTO.read_bytes())

    (job,) = daemon.wait_done(source)

    assert job.output == daemon.outbox / "photo_4x.png"
    assert (job.width_px, job.height_px) == (800, 600)
    assert source.read_bytes() == PHOTO.read_bytes()
    small, large = pixels(source), pixels(job.output)
    assert large.shape == (600, 800, 3)
    assert psnr_db(shrunk(large, 4), small) >= 27
    for classic in (Image.Resampling.BICUBIC, Image.Resampling.LANCZOS):
        with Image.open(source) as picture:
            resized = np.asarray(picture.resize((800, 600), classic), dtype=np.float64)
        assert np.abs(large - resized).mean() > VISIBLE


def test_a_file_that_is_renamed_in_is_done(daemon: Daemon) -> None:
    elsewhere = daemon.folder / "finished.png"
    crop(60, 0).save(elsewhere)

    source = elsewhere.rename(daemon.inbox / "renamed.png")

    (job,) = daemon.wait_done(source)
    assert job.output is not None
    assert is_upscaled(job.output, source)


def test_a_file_that_is_copied_slowly_is_read_once_and_whole(daemon: Daemon) -> None:
    inbox = daemon.folder / "slow"
    content = PHOTO.read_bytes()
    size = len(content) // 8
    source = inbox / "slow.png"

    with source.open("wb", buffering=0) as target:
        for start in range(0, len(content), size):
            target.write(content[start : start + size])
            time.sleep(SLOW_SETTLE_S / 4)  # the pace of the copy: twice as long as files settle

    daemon.wait_done(source)
    (job,) = daemon.jobs(source)
    assert job.attempts == 1
    assert job.output is not None
    assert is_upscaled(job.output, source)


def test_a_new_subfolder_is_watched_and_mirrored(daemon: Daemon) -> None:
    folder = daemon.inbox / "2024" / "summer"
    folder.mkdir(parents=True)
    first = daemon.drop("beach.png", inbox=folder)

    daemon.wait_done(first)
    second = daemon.drop("sea.png", inbox=folder)
    daemon.wait_done(second)

    results = daemon.outbox / "2024" / "summer"
    assert daemon.results(results) == ["beach_4x.png", "sea_4x.png"]
    assert is_upscaled(results / "beach_4x.png", first)
    assert is_upscaled(results / "sea_4x.png", second)


def test_two_rules_work_at_once_each_in_its_own_way(daemon: Daemon) -> None:
    one = daemon.drop("one.png")
    other = daemon.drop("other.png", inbox=daemon.folder / "jpegs")

    first, second = daemon.wait_done(one, other)

    assert (first.rule, second.rule) == ("photos", "jpegs")
    assert first.output == daemon.outbox / "one_4x.png"
    assert second.output == daemon.folder / "web" / "jpegs-other.jpg"
    with Image.open(second.output) as picture:
        assert (picture.format, picture.size) == ("JPEG", (4 * SMALL_PX[0], 4 * SMALL_PX[1]))
    assert is_upscaled(first.output, one)
    assert is_upscaled(second.output, other)


def test_the_same_bytes_under_another_name_get_a_copy_of_the_result(daemon: Daemon) -> None:
    first = daemon.drop("first.png")
    (original,) = daemon.wait_done(first)

    again = daemon.drop("again.png", first.read_bytes())
    (job,) = daemon.wait_done(again)

    assert job.duplicate_of == original.id
    assert "upscale_s" not in job.timings or job.timings["upscale_s"] == 0
    assert job.output == daemon.outbox / "again_4x.png"
    assert original.output is not None
    assert job.output.read_bytes() == original.output.read_bytes()
    assert f"the same image as job {original.id}" in daemon.call("show", str(job.id)).stdout


def test_two_copies_dropped_together_are_computed_once(daemon: Daemon) -> None:
    picture = crop(30, 70)
    sources = [daemon.drop(name, picture) for name in ("twin.png", "sibling.png")]

    jobs = daemon.wait_done(*sources)

    assert sorted(job.duplicate_of is None for job in jobs) == [False, True]
    assert {job.output for job in jobs} == {
        daemon.outbox / "twin_4x.png",
        daemon.outbox / "sibling_4x.png",
    }


def test_new_bytes_under_the_same_name_get_a_result_of_their_own(daemon: Daemon) -> None:
    source = daemon.drop("same.png")
    daemon.wait_done(source)
    earlier = (daemon.outbox / "same_4x.png").read_bytes()

    daemon.drop("same.png")
    daemon.wait_until(lambda: len(daemon.jobs(source)) == 2, "it is queued again")
    (job,) = daemon.wait_done(source)

    assert job.output == daemon.outbox / "same_4x-2.png"
    assert is_upscaled(job.output, source)
    assert job.duplicate_of is None
    assert (daemon.outbox / "same_4x.png").read_bytes() == earlier


def test_a_source_moves_away_once_its_result_is_there(daemon: Daemon) -> None:
    folder = daemon.folder / "moved" / "album"
    folder.mkdir()
    source = daemon.drop("picture.png", inbox=folder)
    content = source.read_bytes()

    (job,) = daemon.wait_done(source)
    daemon.wait_until(lambda: not source.exists(), "the source is moved")

    moved = daemon.folder / "originals" / "album" / "picture.png"
    daemon.wait_until(lambda: daemon.events(job) == ["claimed", "done", "source"], "it is noted")
    assert moved.read_bytes() == content
    assert job.output == daemon.outbox / "album" / "picture_4x.png"
    assert is_upscaled(job.output, moved)


def test_a_source_is_deleted_once_its_result_is_there(daemon: Daemon) -> None:
    picture = crop(100, 100)
    source = daemon.drop("unwanted.png", picture, daemon.folder / "deleted")

    (job,) = daemon.wait_done(source)
    daemon.wait_until(lambda: not source.exists(), "the source is deleted")

    daemon.wait_until(lambda: daemon.events(job) == ["claimed", "done", "source"], "it is noted")
    assert job.output is not None
    picture.save(kept := daemon.folder / "kept.png")
    assert is_upscaled(job.output, kept)


def test_what_stands_in_the_output_folder_already_is_never_overwritten(daemon: Daemon) -> None:
    mine = daemon.outbox / "taken_4x.png"
    mine.write_bytes(b"years of work")
    source = daemon.drop("taken.png")

    (job,) = daemon.wait_done(source)

    assert mine.read_bytes() == b"years of work"
    assert job.output == daemon.outbox / "taken_4x-2.png"
    assert is_upscaled(job.output, source)
    assert not [name for name in daemon.results() if Path(name).name.startswith(".")]
