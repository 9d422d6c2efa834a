"""On the PYTHONPATH of a daemon under test, the network is its nearest-neighbour twin.

All else is real, the worker process too; but it starts in half a second, as torch is not loaded.
"""

import sys
from types import ModuleType


def _open_upscaler(*_: object, **__: object) -> object:
    from support.fakes import NearestUpscaler  # noqa: PLC0415 (numpy: not for the supervisor)

    class Twin(NearestUpscaler):
        architecture, device, precision, exactness = "nearest", "cpu", "fp32", "exact"
        notes = ()
        tile_px = compilation = None

        def memory_bytes(self) -> tuple[int, int]:
            return 1, 1

        def learned(self) -> dict[str, object]:
            return {}

    return Twin()


_engine = ModuleType("upscaled.engine.upscaler")
_engine.open_upscaler = _open_upscaler
sys.modules["upscaled.engine.upscaler"] = _engine
