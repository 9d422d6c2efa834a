"""The child of `test_lack_of_memory`: pictures under limits that are hardly above what it has.

    python lack_of_memory.py MODEL PRECISION MEBIBYTES …

One line for each limit, as JSON: how it ended, and the ceiling that was learned. Each picture has
a size of its own, as oneDNN keeps what it has compiled for a shape. The limit begins with the first
tile: before that there are threads to be started, and one that lacks memory as it starts is waited
for without end by CPython 3.11 (github.com/python/cpython/issues/140746).
"""

import json
import os
import resource
import sys
from pathlib import Path

import numpy as np

from upscaled.engine.bench.measurement import photo, run
from upscaled.engine.upscaler import open_upscaler
from upscaled.errors import DeviceLost, OutOfMemory

_SMALLEST_PX = 250
_NO_LIMIT = resource.getrlimit(resource.RLIMIT_AS)[1]


def main(model: Path, precision: str, room_mb: list[float]) -> None:
    for index, room in enumerate(room_mb):
        pixels = photo(_SMALLEST_PX + 8 * index)
        upscaler = open_upscaler(model, device="cpu", precision=precision)
        limit = Limit(room)
        try:
            result = upscaler.upscale(pixels, progress=lambda *_: None, cancelled=limit.begin)
            ended = "done"
        except (OutOfMemory, MemoryError):
            ended = "out of memory"
        except DeviceLost:
            ended = "lost"
        except Exception as error:  # noqa: BLE001 - whatever it is, the test tells it
            ended = repr(error)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (_NO_LIMIT, _NO_LIMIT))
        if ended == "done" and not np.array_equal(result, run(upscaler, pixels)):
            ended = "another picture"
        (learned,) = upscaler.learned().values()
        found = {"room_mb": room, "ended": ended, "ceiling": learned["ceiling"]}
        sys.stdout.write(json.dumps(found) + "\n")
        if ended == "lost":
            return  # as a worker does


class Limit:
    def __init__(self, room_mb: float) -> None:
        self._room_mb = room_mb
        self._begun = False

    def begin(self) -> bool:
        """To be asked before each tile whether to stop; False."""
        if not self._begun:
            self._begun = True
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
            limit = pages * os.sysconf("SC_PAGE_SIZE") + int(self._room_mb * 2**20)
            resource.setrlimit(resource.RLIMIT_AS, (limit, _NO_LIMIT))
        return False


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], [float(mb) for mb in sys.argv[3:]])
