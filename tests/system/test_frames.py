"""Animations, pages and sizes, by the daemon and a real network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from support.daemon_fixtures import Daemon, MakeDaemon, crop
from upscaled.job import JobState

DURATIONS = [40, 200, 70]


def film(path: Path, frames: list[Image.Image], **options: Any) -> Path:
    """As a browser puts it there: under another name first."""
    partial = path.with_name(f".{path.name}.part")
    form = Image.registered_extensions()[path.suffix]
    frames[0].save(partial, form, save_all=True, append_images=frames[1:], **options)
    return partial.rename(path)


def seen(path: Path) -> list[Any]:
    with Image.open(path) as image:
        found = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            found.append(np.array(image.convert("RGB")))
        return found


@pytest.fixture
def daemon(make_daemon: MakeDaemon, animevideo_file: Path) -> Daemon:
    daemon = make_daemon()
    sized = {"folder": str(daemon.outbox), "long_edge": 150, "name": "{stem}_{width}.{ext}"}
    kept = {"folder": str(daemon.outbox), "long_edge": 60, "only_if_smaller": True}
    daemon.configure(
        {
            "photos": {},
            "sized": {"watch": "sized", "output": sized},
            "kept": {"watch": "kept", "output": kept, "on_success": "delete"},
        }
    )
    told = yaml.safe_load(daemon.config.read_text())
    told["component"] = {"model": animevideo_file.stem.removesuffix("-x4")}
    daemon.config.write_text(yaml.safe_dump(told))
    daemon.start()
    return daemon


def test_animations_pages_and_sizes_come_back_right(daemon: Daemon) -> None:
    frames = [crop(30 * number, 20, (48, 40)) for number in range(3)]
    for frame in frames:  # a corner that stands still
        frame.paste((200, 30, 30), (0, 0, 20, 12))
    film(daemon.inbox / "a.png", frames, duration=DURATIONS, loop=3)
    film(daemon.inbox / "b.gif", frames, duration=DURATIONS, loop=0)
    film(daemon.inbox / "e.webp", frames, duration=DURATIONS, loop=2, lossless=True)
    film(daemon.folder / "sized" / "c.tif", [frames[0], crop(5, 5, (30, 60))], dpi=(300, 300))
    alone = [daemon.drop(f"{number}.png", frame) for number, frame in enumerate(frames)]
    spared = daemon.drop("d.png", frames[0].resize((60, 50)), daemon.folder / "kept")
    films = [daemon.inbox / name for name in ("a.png", "b.gif", "e.webp")]
    sources = [*films, daemon.folder / "sized" / "c.tif"]

    daemon.wait_done(*sources, *alone)

    singles = [seen(daemon.outbox / f"{number}_4x.png")[0] for number in range(3)]
    with Image.open(daemon.outbox / "a_4x.png") as apng:
        assert (apng.n_frames, apng.info["loop"]) == (3, 3)
    for frame, single in zip(seen(daemon.outbox / "a_4x.png"), singles, strict=True):
        assert np.array_equal(frame, single)

    with Image.open(daemon.outbox / "e_4x.webp") as webp:
        assert (webp.n_frames, webp.info["loop"]) == (3, 2)
        found = [(webp.seek(n), webp.load(), webp.info["duration"])[2] for n in range(3)]
        assert found == DURATIONS
    for frame, single in zip(seen(daemon.outbox / "e_4x.webp"), singles, strict=True):
        assert np.array_equal(frame, single)

    gif = daemon.outbox / "b_4x.gif"
    with Image.open(gif) as image:
        assert (image.n_frames, image.info["loop"]) == (3, 0)
        durations = [(image.seek(number), image.info["duration"])[1] for number in range(3)]
    assert durations == DURATIONS
    for frame, single in zip(seen(gif), singles, strict=True):
        # 256 colours, in the source already.
        assert np.abs(frame.astype(int) - single).mean() < 12

    with Image.open(daemon.outbox / "c_150.tif") as pages:
        sizes = [(pages.seek(number), pages.size)[1] for number in range(pages.n_frames)]
        assert sizes == [(150, 125), (75, 150)]
        assert pages.info["dpi"] == (300, 300)

    daemon.wait_until(
        lambda: [job.state for job in daemon.jobs(spared)] == [JobState.CANCELLED], "it is skipped"
    )
    assert "large enough" in str(daemon.jobs(spared)[0].reason)
    assert spared.exists()
