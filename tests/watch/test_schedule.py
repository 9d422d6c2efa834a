"""When scans, polls and root checks are due, and what they may cost."""

import math

import pytest

from upscaled.watch.schedule import Backoff, Schedule


def plan(*, rescan_s: float = 300.0, poll_s: float = 10.0, spread: float = 1.0) -> Schedule:
    schedule = Schedule(rescan_s, poll_s, lambda: spread)
    schedule.root_checked(0.0, present=True)
    return schedule


def test_a_new_schedule_checks_its_root_at_once_and_does_nothing_else() -> None:
    schedule = Schedule(300.0, 10.0, lambda: 1.0)
    assert schedule.next_due() == -math.inf
    schedule.scan_at_once()
    schedule.root_checked(100.0, present=False)
    assert schedule.next_due() == 100.25


def test_a_missing_root_is_looked_for_ever_more_seldom_but_never_less_than_every_10_s() -> None:
    schedule = Schedule(300.0, 10.0, lambda: 1.0)
    waits = []
    for _ in range(10):
        schedule.root_checked(0.0, present=False)
        waits.append(schedule.root_due)
    assert waits[:4] == [0.25, 0.5, 1.0, 2.0]
    assert waits[-1] == 10.0
    schedule.root_checked(0.0, present=True)
    schedule.root_checked(0.0, present=False)
    assert schedule.root_due == 0.25


@pytest.mark.parametrize("spread", [0.75, 1.0, 1.25])
def test_scans_follow_each_other_at_the_interval_asked_for_with_its_spread(
    spread: float,
) -> None:
    schedule = plan(spread=spread)
    schedule.scanned(1000.0, 0.2, unwatched=False)
    assert schedule.scan_due == 1000.0 + 300.0 * spread
    assert schedule.poll_due == math.inf


def test_a_tree_that_is_slow_to_scan_is_scanned_less_often_but_every_hour() -> None:
    schedule = plan()
    schedule.scanned(0.0, 2.0, unwatched=False)
    assert schedule.scan_due == 2000.0
    schedule.scanned(0.0, 600.0, unwatched=False)
    assert schedule.scan_due == 3600.0


def test_polling_takes_a_twentieth_of_the_time_at_most() -> None:
    schedule = plan()
    schedule.polled(0.0, 0.1, unwatched=True)
    assert schedule.poll_due == 10.0
    schedule.polled(0.0, 3.0, unwatched=True)
    assert schedule.poll_due == pytest.approx(60.0)
    schedule.polled(0.0, 0.0, unwatched=False)
    assert schedule.poll_due == math.inf


def test_lost_events_lead_to_a_scan_at_once_where_scans_are_cheap_and_soon_where_not() -> None:
    schedule = plan()
    schedule.doubt(5.0)
    assert schedule.scan_due == 5.0
    schedule.scanned(10.0, 2.0, unwatched=False)
    schedule.doubt(10.0)
    assert schedule.scan_due == 30.0
    schedule.doubt(29.0)
    assert schedule.scan_due == 30.0


def test_a_scan_at_once_does_not_wait_for_anything() -> None:
    schedule = plan()
    schedule.scanned(10.0, 100.0, unwatched=False)
    schedule.scan_at_once()
    assert schedule.next_due() == -math.inf


def test_a_backoff_doubles_to_ten_seconds_and_starts_again() -> None:
    backoff = Backoff()
    waits = [backoff.next_s() for _ in range(9)]
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]
    backoff.reset()
    assert backoff.next_s() == 0.25
