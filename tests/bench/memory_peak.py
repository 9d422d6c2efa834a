"""The most memory that the engine takes for one picture, and its speed, each in a child of its own.

    PYTHONPATH=tests python tests/bench/memory_peak.py [--model NAME] [--size WIDTHxHEIGHT …]

`peak` is the child's resident size at its most (VmHWM; ru_maxrss would be the parent's, if that is
larger); `imports` what it was before the model was loaded, of which nearly all is torch itself.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from support.model_fixtures import CACHE
from upscaled.engine.bench.measurement import photo
from upscaled.models.library import Library

_CHILD = """
import json, sys
from pathlib import Path
from time import perf_counter
import numpy as np
from upscaled.engine import bench
from upscaled.engine.upscaler import open_upscaler
imports = bench.peak_mb()
upscaler = open_upscaler(Path(sys.argv[1]))
pixels = np.load(sys.argv[2])
before = bench.peak_mb()
started = perf_counter()
bench.run(upscaler, pixels)
seconds = perf_counter() - started
found = {"imports_mb": imports, "before_mb": before, "peak_mb": bench.peak_mb(),
         "seconds": seconds, "us_per_px": seconds / pixels[..., 0].size * 1e6}
print(json.dumps(found))
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="realesrgan-x4plus")
    parser.add_argument("--size", action="append", dest="sizes")
    given = parser.parse_args()
    file = Library(CACHE / "models").fetch(given.model)
    print(f"{given.model}: MB are 2^20 bytes")
    for size in given.sizes or ["1000x1000", "2000x2000"]:
        width, height = map(int, size.split("x"))
        with tempfile.TemporaryDirectory() as folder:
            picture = Path(folder, "picture.npy")  # made here: it takes more than it is large
            np.save(picture, photo(max(width, height))[:height, :width])
            child = [sys.executable, "-c", _CHILD, str(file), str(picture)]
            found = json.loads(subprocess.check_output(child, text=True))
        above = (found["peak_mb"] - found["imports_mb"]) * 2**20 / (width * height)
        print(
            f"{size}: peak {found['peak_mb']} MB, imports {found['imports_mb']} MB, "
            f"{above:.0f} bytes for each px above them; {found['us_per_px']:.1f} µs/px",
            flush=True,
        )


if __name__ == "__main__":
    main()
