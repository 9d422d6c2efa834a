"""Which state of a slot follows which."""

import itertools

import pytest

from upscaled.service.workers.slot_state import (
    TRANSITIONS,
    SlotEvent,
    SlotState,
    following,
    was_told_to_end,
)

GONE = {SlotState.ABSENT, SlotState.UNLOADED, SlotState.REMOVED, SlotState.STOPPING}


def after(*events: SlotEvent, start: SlotState = SlotState.ABSENT) -> SlotState:
    state = start
    for event in events:
        state = following(state, event)
    return state


def test_a_worker_starts_shows_itself_and_dies() -> None:
    assert after(SlotEvent.STARTED) is SlotState.STARTING
    assert after(SlotEvent.STARTED, SlotEvent.BEAT, SlotEvent.BEAT) is SlotState.READY
    assert after(SlotEvent.STARTED, SlotEvent.BEAT, SlotEvent.EXITED) is SlotState.ABSENT


def test_an_idle_worker_ends_and_stays_away_until_there_is_work() -> None:
    idle = after(SlotEvent.STARTED, SlotEvent.BEAT, SlotEvent.TOLD_TO_END, SlotEvent.EXITED)
    assert idle is SlotState.UNLOADED
    assert following(idle, SlotEvent.STARTED) is SlotState.STARTING
    assert following(idle, SlotEvent.START_FAILED) is SlotState.ABSENT, "it is tried again"


def test_a_reload_while_an_idle_worker_ends_starts_the_next_one_at_once() -> None:
    ending = after(SlotEvent.STARTED, SlotEvent.BEAT, SlotEvent.TOLD_TO_END, SlotEvent.RESTART)
    assert following(ending, SlotEvent.EXITED) is SlotState.ABSENT


@pytest.mark.parametrize("told", [(), (SlotEvent.TOLD_TO_END,)])
@pytest.mark.parametrize("restart", [(), (SlotEvent.RESTART,)])
def test_a_removed_device_never_gets_a_worker_again(
    told: tuple[SlotEvent, ...], restart: tuple[SlotEvent, ...]
) -> None:
    up = (SlotEvent.STARTED, SlotEvent.BEAT)
    gone = after(*up, *restart, SlotEvent.REMOVE, *told, SlotEvent.EXITED)
    assert gone is SlotState.REMOVED
    assert all(following(gone, event) in GONE for event in SlotEvent)


def test_a_stop_is_the_end_whatever_comes() -> None:
    for state, event in itertools.product(SlotState, SlotEvent):
        stopped = following(state, SlotEvent.STOP)
        assert following(stopped, event) is SlotState.STOPPING


def test_every_worker_can_exit_and_only_those_told_to_end_are_meant_to() -> None:
    with_worker = set(SlotState) - GONE
    for state in with_worker:
        assert (state, SlotEvent.EXITED) in TRANSITIONS, state
        assert following(state, SlotEvent.EXITED) in GONE
    assert {state for state in with_worker if was_told_to_end(state)} == {
        SlotState.UNLOADING,
        SlotState.ENDING_FOR_RESTART,
        SlotState.ENDING_FOR_REMOVAL,
    }
