"""What a worker is told first, from the settings."""

from collections.abc import Mapping

import psutil

from upscaled.config.settings import ModelAccess, Settings
from upscaled.dirs import Dirs
from upscaled.worker.messages import Access, Begin


def devices(settings: Settings, gpus: int) -> tuple[str, ...]:
    """One worker for each of these; `gpus`: how many the machine shows."""
    named = settings.device
    if named == "auto" and gpus > 1:
        return tuple(f"cuda:{index}" for index in range(gpus))
    return (named,) if isinstance(named, str) else named


def make_begin(
    settings: Settings, dirs: Dirs, device: str, *, mark: str, learned: Mapping[str, str]
) -> Begin:
    return Begin(
        device=device,
        precision=settings.precision,
        compile_networks=settings.compile_networks,
        memory_bytes=_memory_limit_bytes(settings),
        models_dir=str(dirs.models),
        mark=mark,
        learned=dict(learned),
        access={model: _access(access) for model, access in settings.model_access.items()},
    )


def _memory_limit_bytes(settings: Settings) -> int | None:
    """The user's `memory:`; a share is one of the machine's memory."""
    if settings.memory_share is not None:
        return int(psutil.virtual_memory().total * settings.memory_share)
    return settings.memory_bytes


def _access(access: ModelAccess) -> Access:
    return Access(token=access.token, cache_folder=access.cache_folder, scale=access.scale)
