"""The states of a worker's slot, and what leads from one to the next: pure."""

from enum import Enum, auto


class SlotState(Enum):
    ABSENT = auto()
    """No worker; one is started when its time has come."""
    UNLOADED = auto()
    """No worker, and none until a job waits."""
    STARTING = auto()
    """Started, and not heard of yet: nothing is claimed for it."""
    READY = auto()
    RESTARTING = auto()
    """Does what it has; then another takes its place."""
    REMOVING = auto()
    """Does what it has; then its slot goes too."""
    UNLOADING = auto()
    """Was idle for long, and was told to end."""
    ENDING_FOR_RESTART = auto()
    ENDING_FOR_REMOVAL = auto()
    STOPPING = auto()
    """The daemon ends."""
    REMOVED = auto()


class SlotEvent(Enum):
    STARTED = auto()
    START_FAILED = auto()
    BEAT = auto()
    """The worker showed that it lives."""
    RESTART = auto()
    """A reload changed what the worker is told at its start."""
    REMOVE = auto()
    """A reload took its device away."""
    TOLD_TO_END = auto()
    EXITED = auto()
    STOP = auto()


TRANSITIONS: dict[tuple[SlotState, SlotEvent], SlotState] = {
    (SlotState.ABSENT, SlotEvent.STARTED): SlotState.STARTING,
    (SlotState.ABSENT, SlotEvent.REMOVE): SlotState.REMOVED,
    (SlotState.UNLOADED, SlotEvent.STARTED): SlotState.STARTING,
    (SlotState.UNLOADED, SlotEvent.START_FAILED): SlotState.ABSENT,
    (SlotState.UNLOADED, SlotEvent.REMOVE): SlotState.REMOVED,
    (SlotState.STARTING, SlotEvent.BEAT): SlotState.READY,
    (SlotState.STARTING, SlotEvent.RESTART): SlotState.RESTARTING,
    (SlotState.STARTING, SlotEvent.REMOVE): SlotState.REMOVING,
    (SlotState.STARTING, SlotEvent.TOLD_TO_END): SlotState.UNLOADING,
    (SlotState.STARTING, SlotEvent.EXITED): SlotState.ABSENT,
    (SlotState.READY, SlotEvent.RESTART): SlotState.RESTARTING,
    (SlotState.READY, SlotEvent.REMOVE): SlotState.REMOVING,
    (SlotState.READY, SlotEvent.TOLD_TO_END): SlotState.UNLOADING,
    (SlotState.READY, SlotEvent.EXITED): SlotState.ABSENT,
    (SlotState.RESTARTING, SlotEvent.REMOVE): SlotState.REMOVING,
    (SlotState.RESTARTING, SlotEvent.TOLD_TO_END): SlotState.ENDING_FOR_RESTART,
    (SlotState.RESTARTING, SlotEvent.EXITED): SlotState.ABSENT,
    (SlotState.REMOVING, SlotEvent.TOLD_TO_END): SlotState.ENDING_FOR_REMOVAL,
    (SlotState.REMOVING, SlotEvent.EXITED): SlotState.REMOVED,
    (SlotState.UNLOADING, SlotEvent.RESTART): SlotState.ENDING_FOR_RESTART,
    (SlotState.UNLOADING, SlotEvent.REMOVE): SlotState.ENDING_FOR_REMOVAL,
    (SlotState.UNLOADING, SlotEvent.EXITED): SlotState.UNLOADED,
    (SlotState.ENDING_FOR_RESTART, SlotEvent.REMOVE): SlotState.ENDING_FOR_REMOVAL,
    (SlotState.ENDING_FOR_RESTART, SlotEvent.EXITED): SlotState.ABSENT,
    (SlotState.ENDING_FOR_REMOVAL, SlotEvent.EXITED): SlotState.REMOVED,
}


def following(state: SlotState, event: SlotEvent) -> SlotState:
    """The state after `event`; what is not in the table changes nothing."""
    if event is SlotEvent.STOP:
        return SlotState.STOPPING
    return TRANSITIONS.get((state, event), state)


def was_told_to_end(state: SlotState) -> bool:
    """Whether the exit of its worker is meant, and no job's fault."""
    return state in {
        SlotState.UNLOADING,
        SlotState.ENDING_FOR_RESTART,
        SlotState.ENDING_FOR_REMOVAL,
        SlotState.STOPPING,
    }
