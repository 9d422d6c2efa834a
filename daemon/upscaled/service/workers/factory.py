"""Makes workers and their slots as the configuration that holds wants them."""

from collections.abc import Callable, Mapping

import psutil

from upscaled.clock import Clock
from upscaled.config.settings import ModelAccess, Settings
from upscaled.dirs import Dirs
from upscaled.service.configuration import Configuration
from upscaled.service.workers.executor import Deliver, Executor
from upscaled.service.workers.slot import WorkerSlot
from upscaled.worker.messages import Access, Begin, Warm

StartWorker = Callable[[Begin, Deliver], Executor]


class WorkerFactory:
    def __init__(
        self,
        configuration: Configuration,
        dirs: Dirs,
        clock: Clock,
        start: StartWorker,
        deliver: Deliver,
        *,
        mark: str,
        learned: Callable[[], Mapping[str, str]],
    ) -> None:
        """`mark`: of this run, in the names of temporary files. `learned`: of tiles, by key."""
        self._configuration = configuration
        self._dirs = dirs
        self._clock = clock
        self._start = start
        self._deliver = deliver
        self._mark = mark
        self._learned = learned

    def slot(self, device: str) -> WorkerSlot:
        keep_alive_s = self._configuration.settings.keep_alive_s
        return WorkerSlot(device, self._worker, self._clock, keep_alive_s)

    def _worker(self, device: str) -> Executor:
        begin = make_begin(
            self._configuration.settings,
            self._dirs,
            device,
            mark=self._mark,
            learned=self._learned(),
        )
        worker = self._start(begin, self._deliver)
        networks = (net for rule in self._configuration.active for net in rule.recipe.networks)
        for net in dict.fromkeys(networks):
            worker.send(Warm(net.model, net.tile_px, net.precision))
        return worker

    def differs(self, before: Settings, after: Settings, device: str) -> bool:
        """Whether the worker of `device` has to begin anew to do as `after` says."""
        return self._told(before, device) != self._told(after, device)

    def _told(self, settings: Settings, device: str) -> Begin:
        return make_begin(settings, self._dirs, device, mark="", learned={})


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
