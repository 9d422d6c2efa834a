"""spandrel without torchvision: 150 MB less in each worker, and two seconds less at its start.

spandrel 0.4 imports `rotate`, `InterpolationMode` and `normalize` of torchvision at its start, for
LaMa and RestoreFormer alone. Neither upscales whole images, so both are refused in any case; yet
the import drags in triton, half of torch's compiler and Pillow.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_FUNCTIONAL = "torchvision.transforms.functional"
_NAMES = ("InterpolationMode", "rotate", "normalize")


@contextmanager
def _without_torchvision() -> Iterator[None]:
    """Stands in for torchvision, unless this process has the real one already."""
    names = ("torchvision", "torchvision.transforms", _FUNCTIONAL)
    if "torchvision" in sys.modules:
        yield
        return
    stands = {name: ModuleType(name) for name in names}
    for name in _NAMES:
        setattr(stands[_FUNCTIONAL], name, _missing)
    sys.modules.update(stands)
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


def _missing(*_: object, **__: object) -> None:
    raise NotImplementedError("torchvision was left out: only networks that upscale are run")


with _without_torchvision():
    from spandrel import (
        ImageModelDescriptor,
        ModelLoader,
        UnsupportedModelError,
        canonicalize_state_dict,
    )

__all__ = [
    "ImageModelDescriptor",
    "ModelLoader",
    "UnsupportedModelError",
    "canonicalize_state_dict",
]
