"""A seat and its worker for each device; after a reload, those begin anew whom it concerns."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from upscaled.config.settings import Settings
from upscaled.service.queue.dispatch import Dispatcher
from upscaled.service.workers.begin import devices, make_begin
from upscaled.service.workers.executor import Deliver, Executor
from upscaled.service.workers.gpus import count_gpus
from upscaled.service.workers.slot import WorkerSlot
from upscaled.worker.messages import Begin, Warm

if TYPE_CHECKING:
    from upscaled.service.daemon import Daemon

StartWorker = Callable[[Begin, Deliver], Executor]


class WorkerPool:
    def __init__(self, supervisor: "Daemon", start: StartWorker, deliver: Deliver) -> None:
        self._supervisor = supervisor
        self._start = start
        self._deliver = deliver

    def seats(self) -> list[WorkerSlot]:
        settings = self._supervisor.settings
        return [self._seat(settings, device) for device in devices(settings, count_gpus())]

    def reseat(self, dispatcher: Dispatcher, before: Settings, after: Settings) -> None:
        """Give each device of `after` its seat; running jobs come to their end where they are."""
        wanted = devices(after, count_gpus())
        kept = {seat.device: seat for seat in dispatcher.seats if not seat.is_retiring}
        for device, seat in kept.items():
            seat.keep_alive_s = after.keep_alive_s
            if device not in wanted:
                seat.retire()
            elif self._told(before, device) != self._told(after, device):
                seat.renew()
        dispatcher.seats += [self._seat(after, device) for device in wanted if device not in kept]

    def _seat(self, settings: Settings, device: str) -> WorkerSlot:
        return WorkerSlot(device, self._worker, self._supervisor.clock, settings.keep_alive_s)

    def _worker(self, device: str) -> Executor:
        supervisor = self._supervisor
        begin = make_begin(
            supervisor.settings,
            supervisor.dirs,
            device,
            mark=supervisor.mark,
            learned=supervisor.store.learned(),
        )
        worker = self._start(begin, self._deliver)
        for net in dict.fromkeys(net for r in supervisor.active for net in r.recipe.networks):
            worker.send(Warm(net.model, net.tile_px, net.precision))
        return worker

    def _told(self, settings: Settings, device: str) -> object:
        """What a worker is told by the configuration alone."""
        return make_begin(settings, self._supervisor.dirs, device, mark="", learned={})
