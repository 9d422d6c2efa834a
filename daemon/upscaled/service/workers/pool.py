"""The slots of all devices: it owns them, and what concerns them all goes through it."""

from collections.abc import Callable, Iterable, Sequence

from upscaled.service.workers.executor import Executor
from upscaled.service.workers.in_flight import InFlight
from upscaled.service.workers.slot import WorkerSlot
from upscaled.worker.messages import Warm


class WorkerPool:
    def __init__(self, devices: Iterable[str], make_slot: Callable[[str], WorkerSlot]) -> None:
        self._make_slot = make_slot
        self._slots = [make_slot(device) for device in devices]

    @property
    def slots(self) -> Sequence[WorkerSlot]:
        return tuple(self._slots)

    def slot_of(self, executor: Executor) -> WorkerSlot | None:
        """None: it is the worker of a slot that is gone."""
        return next((slot for slot in self._slots if slot.worker is executor), None)

    @property
    def in_flight(self) -> Sequence[InFlight]:
        return [job for slot in self._slots for job in slot.in_flight.values()]

    @property
    def restart_in_s(self) -> float | None:
        """Until the next dead worker is started again; None: none is waiting for it."""
        waits = [slot.restart_in_s for slot in self._slots]
        return min((wait for wait in waits if wait is not None), default=None)

    def reconcile(
        self,
        wanted: Sequence[str],
        differs: Callable[[str], bool],
        keep_alive_s: float | None,
    ) -> None:
        """Give each device of `wanted` its slot; running jobs come to their end where they are.

        `differs`: whether the worker of a device has to begin anew.
        """
        kept = {slot.device: slot for slot in self._slots if not slot.is_leaving}
        for device, slot in kept.items():
            slot.keep_alive_s = keep_alive_s
            if device not in wanted:
                slot.remove()
            elif differs(device):
                slot.restart_when_idle()
        self._slots += [self._make_slot(device) for device in wanted if device not in kept]

    def drop_removed(self) -> None:
        self._slots = [slot for slot in self._slots if not slot.is_removed]

    def warm(self, wish: Warm) -> None:
        """The workers that run get this model ready; those that start later are told anyway."""
        for slot in self._slots:
            slot.send(wish)

    def reset_deadlines(self) -> None:
        """The daemon itself stood still: that is no job's time, and no worker's silence."""
        for slot in self._slots:
            slot.reset_deadlines()

    def begin_stop(self) -> None:
        """Ask the workers to end at their next tile; they are gone when `is_stopped`."""
        for slot in self._slots:
            slot.stop()

    def kill(self) -> None:
        for slot in self._slots:
            slot.kill()

    @property
    def is_stopped(self) -> bool:
        return all(slot.worker is None for slot in self._slots)
