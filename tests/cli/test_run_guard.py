"""`upscaled run` minds what decoding costs, as the daemon's worker does."""

import subprocess
import sys
from pathlib import Path

from PIL import Image

SCRIPT = """
import sys, threading
from upscaled.cli.main import run
from upscaled.pipeline import run as jobs
from upscaled.worker import decode_guard

decode_guard.LEAST_S = 0.3
opened = jobs.open_frames

def stuck(content, most_px, expect):
    frames = opened(content, most_px)
    if frames.first.width_px == 13:
        threading.Event().wait()
    return frames

jobs.open_frames = stuck
sys.exit(run(["run", *sys.argv[1:]]))
"""


def test_a_decoder_that_does_not_end_ends_the_run_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "endless.png"
    Image.new("RGB", (13, 9)).save(path)
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path)],
        capture_output=True,
        text=True,
        timeout=90,
        cwd=tmp_path,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    assert "decoding endless.png took longer than 0 s" in ran.stderr
    assert "leave that file out" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert list(tmp_path.glob("endless*")) == [path]
