"""Which devices get a worker; GPUs are counted by a process that never loads torch."""

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

from upscaled.config.settings import Settings

_DRIVER = Path("/proc/driver/nvidia/gpus")
"""The kernel driver lists each GPU here by its PCI address."""


def devices(settings: Settings, gpus: int) -> tuple[str, ...]:
    """One worker for each of these; `gpus`: how many the machine shows."""
    named = settings.device
    if named == "auto" and gpus > 1:
        return tuple(f"cuda:{index}" for index in range(gpus))
    return (named,) if isinstance(named, str) else named


def count_gpus() -> int:
    """Those that torch would show as cuda:0, cuda:1 and so on."""
    if not _torch_has_cuda():
        return 0
    try:
        present = sum(1 for _ in _DRIVER.iterdir())
    except OSError:
        return 0
    return visible_gpus(present, os.environ)


def visible_gpus(present: int, environment: Mapping[str, str]) -> int:
    """What CUDA_VISIBLE_DEVICES leaves of `present`: its entries up to the first that is none.

    https://docs.nvidia.com/cuda/cuda-c-programming-guide/index.html#env-vars
    """
    listed = environment.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return present
    count = 0
    for entry in listed.split(","):
        word = entry.strip()
        if not word or word.startswith("-") or (word.isdecimal() and int(word) >= present):
            break
        count += 1
    return min(count, present)


def _torch_has_cuda() -> bool:
    """By its files: torch itself takes seconds to load, and half a gigabyte."""
    spec = importlib.util.find_spec("torch")
    folders = spec.submodule_search_locations if spec is not None else None
    return any((Path(folder) / "lib" / "libtorch_cuda.so").exists() for folder in folders or ())
