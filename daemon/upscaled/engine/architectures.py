"""spandrel without torchvision: 150 MB less in each worker, and two seconds less at its start.

spandrel 0.4 imports `rotate`, `InterpolationMode` and `normalize` of torchvision at its start, for
LaMa and RestoreFormer alone. LaMa does not upscale, and is refused in any case; RestoreFormer
needs `normalize` only, which is one line. The import drags in triton, half of torch's compiler and
Pillow.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import torch
from torch import Tensor

_FUNCTIONAL = "torchvision.transforms.functional"
_MISSING = ("InterpolationMode", "rotate")


@contextmanager
def _without_torchvision() -> Iterator[None]:
    """Stands in for torchvision, unless this process has the real one already."""
    names = ("torchvision", "torchvision.transforms", _FUNCTIONAL)
    if "torchvision" in sys.modules:
        yield
        return
    stands = {name: ModuleType(name) for name in names}
    for name in _MISSING:
        setattr(stands[_FUNCTIONAL], name, _missing)
    stands[_FUNCTIONAL].normalize = _normalize  # type: ignore[attr-defined]
    sys.modules.update(stands)
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


def _normalize(image: Tensor, mean: list[float], std: list[float]) -> Tensor:
    """As torchvision does it; `image`: … × channels × height × width."""
    means, stds = (torch.tensor(each, device=image.device)[:, None, None] for each in (mean, std))
    return ((image - means) / stds).to(image.dtype)


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
