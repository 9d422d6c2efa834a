"""A changed configuration at the workers: who has to begin anew does so between two jobs."""

from collections.abc import Callable

from upscaled.config.settings import Settings
from upscaled.dirs import Dirs
from upscaled.service.begin import devices, make_begin
from upscaled.service.dispatch import Dispatcher
from upscaled.service.gpus import count_gpus
from upscaled.service.seat import Seat


def reseat(
    dispatcher: Dispatcher,
    before: Settings,
    after: Settings,
    dirs: Dirs,
    make_seat: Callable[[str], Seat],
) -> None:
    """Give each device of `after` its seat; running jobs come to their end where they are."""
    wanted = devices(after, count_gpus())
    kept = {seat.device: seat for seat in dispatcher.seats if not seat.is_retiring}
    for device, seat in kept.items():
        seat.keep_alive_s = after.keep_alive_s
        if device not in wanted:
            seat.retire()
        elif _told(before, dirs, device) != _told(after, dirs, device):
            seat.renew()
    dispatcher.seats += [make_seat(device) for device in wanted if device not in kept]


def _told(settings: Settings, dirs: Dirs, device: str) -> object:
    """What a worker is told by the configuration alone."""
    return make_begin(settings, dirs, device, mark="", learned={})
