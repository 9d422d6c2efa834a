"""The workflows of the document that this project began with, by the daemon and a real network."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.daemon_fixtures import Daemon, MakeDaemon, crop, pixels, shrunk
from upscaled.image.filters.denoise import denoise
from upscaled.image.filters.sharpen import sharpen
from upscaled.image.picture import Picture

metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is not installed")

SEED = (Path(__file__).parents[1] / "config" / "seed-blocks.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^## (\S+)\n\n```yaml\n(.*?)```", SEED, flags=re.DOTALL | re.MULTILINE))
COMPONENTS = """
components:
  image-upscaler: {task: image-upscale, model: realesrgan-x4plus}
  image-denoiser: {task: image-denoise, strength: 0.4}
  image-sharpener: {task: image-sharpen, radius: 1.5, amount: 0.8, threshold: 1}
  image-quality-analyzer: {task: image-quality}
"""
ONE_STAGE = "  - {id: one, jobs: [{id: only, component: image-upscaler}]}\n"
RULES = """
rules:
  restored:
    watch: restored
    workflow: photo-restoration
    output: out/restored
    outputs: {upscale: out/upscaled, denoise: out/denoised}
  checked:
    watch: checked
    workflow: Upscale with Quality Check
    output: out/checked
    quality_check: {min_ssim: 0.5, sidecar: true, contact_sheet: html}
  bare: {watch: bare, component: image-upscaler, output: {folder: out/bare, provenance: false}}
  one: {watch: one, workflow: one, output: {folder: out/one, provenance: false}}
defaults: {settle: 0.2}
"""
PHOTO_PX = (48, 40)


@pytest.fixture
def daemon(make_daemon: MakeDaemon) -> Daemon:
    daemon = make_daemon()
    daemon.config = daemon.folder / "upscaled.yml"
    text = BLOCKS["多阶段增强管道"] + ONE_STAGE + BLOCKS["质量评估集成"] + COMPONENTS + RULES
    daemon.config.write_text(text, encoding="utf-8")
    for name in ("restored", "checked", "bare", "one"):
        (daemon.folder / name).mkdir()
    daemon.start()
    return daemon


def read(path: Path) -> Picture:
    with Image.open(path) as image:
        return Picture(np.asarray(image.convert("RGB")))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def told(daemon: Daemon, number: int) -> dict[str, object]:
    answer = daemon.call("show", str(number), "--json")
    assert answer.returncode == 0, answer.stderr
    report: dict[str, object] = json.loads(answer.stdout)
    return report


def test_the_workflows_of_the_seed_give_what_they_say(daemon: Daemon) -> None:
    photo = crop(60, 40, PHOTO_PX)
    sources = {
        rule: daemon.drop("photo.png", photo, daemon.folder / rule)
        for rule in ("restored", "checked", "bare", "one")
    }
    jobs = dict(zip(sources, daemon.wait_done(*sources.values()), strict=True))
    out = daemon.folder / "out"
    assert daemon.results(out) == [
        "bare/photo_4x.png",
        "checked/photo_4x.compare.html",
        "checked/photo_4x.json",
        "checked/photo_4x.png",
        "denoised/photo_4x.png",
        "one/photo_4x.png",
        "restored/photo_4x.png",
        "upscaled/photo_4x.png",
    ]

    # One stage is its component, to the byte; each stage gets what the last one gave, to the bit.
    assert digest(out / "one" / "photo_4x.png") == digest(out / "bare" / "photo_4x.png")
    bare = read(out / "bare" / "photo_4x.png")
    how = {"progress": lambda _done, _total: None, "cancelled": lambda: False}
    quieter = denoise(bare, strength=0.4, **how)
    crisp = sharpen(quieter, radius_px=1.5, amount=0.8, threshold=1, **how)
    expected = {"upscaled": bare, "denoised": quieter, "restored": crisp, "checked": bare}
    for name, picture in expected.items():
        assert np.array_equal(read(out / name / "photo_4x.png").colour, picture.colour), name
    assert not np.array_equal(crisp.colour, bare.colour)

    restored = told(daemon, jobs["restored"].id)
    assert {"stage upscale", "stage denoise", "stage sharpen"} <= set(restored["timings"])

    small, source = shrunk(pixels(out / "checked" / "photo_4x.png"), 4), pixels(sources["checked"])
    sidecar = json.loads((out / "checked" / "photo_4x.json").read_text())
    checked = told(daemon, jobs["checked"].id)
    figures = sidecar["figures"]
    assert checked["figures"] == figures == jobs["checked"].figures
    assert figures["psnr_db"] == pytest.approx(
        metrics.peak_signal_noise_ratio(source, small, data_range=255), abs=1e-3
    )
    assert figures["ssim"] == pytest.approx(
        metrics.structural_similarity(source, small, channel_axis=2, data_range=255), abs=1e-3
    )
    drift = np.abs(small.mean(axis=(0, 1)) - source.mean(axis=(0, 1))).max()
    assert figures["colour_drift"] == pytest.approx(drift, abs=1e-3)
    assert figures["psnr_db"] > 27
    assert (sidecar["complaints"], checked["notes"]) == ([], [])
    page = (out / "checked" / "photo_4x.compare.html").read_text()
    assert page.count('src="data:image/jpeg;base64,') == 2
    assert "http" not in page
