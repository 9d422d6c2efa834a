"""What is queued, and what is known already."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.builders import DELIVERY, INBOX, NOW, RECIPE, arrival, done
from upscaled.cause import Cause
from upscaled.job import Arrival, Fingerprint
from upscaled.outcomes import Changed, Failed, Retry, Vanished
from upscaled.recipe import OutputOptions
from upscaled.store.arrivals import _KNOWN
from upscaled.store.columns import fingerprint_columns
from upscaled.store.jobs import Store

Queue = Any


def is_known(store: Store, rule: str, path: Path, found: Fingerprint) -> bool:
    """Whether this very file was queued before, and did not change or go away under its job."""
    values = (os.fsencode(path), rule, *fingerprint_columns(found)[1:])
    return store._session.row(_KNOWN, values) is not None


def test_a_file_is_queued_once(queue: Queue) -> None:
    assert queue.drop("a.png", "b.png") == 2
    assert queue.drop("a.png", "b.png", "c.png") == 1
    order = queue.claim()
    assert queue.drop("a.png") == 0
    queue.store.record(order.job_id, done(), NOW)
    assert queue.drop("a.png") == 0
    assert queue.names() == ["b.png"]


def test_two_rules_may_each_take_one_file(queue: Queue) -> None:
    assert queue.drop("a.png", rule="photos") == 1
    assert queue.drop("a.png", rule="scans") == 1
    assert {r.rule for r in queue.store.ready(["photos", "scans"], NOW)} == {"photos", "scans"}


def test_new_bytes_of_a_waiting_file_take_its_place_at_once(queue: Queue) -> None:
    queue.drop("a.png", version=1)
    first = queue.claim()
    queue.store.record(first.job_id, Retry("truncated"), NOW)
    assert queue.names() == []
    better = replace(RECIPE, output=OutputOptions("png"))

    assert queue.drop("a.png", version=2, recipe=better) == 1

    order = queue.claim()
    assert order.job_id == first.job_id
    assert (order.fingerprint, order.recipe) == (arrival(version=2).fingerprint, better)


def test_new_bytes_of_a_running_file_are_left_to_its_worker(queue: Queue) -> None:
    queue.drop("a.png", version=1)
    order = queue.claim()
    assert queue.drop("a.png", version=2) == 0
    queue.store.record(order.job_id, Changed(), NOW)
    assert queue.drop("a.png", version=2) == 1
    assert queue.claim().fingerprint == arrival(version=2).fingerprint


@pytest.mark.parametrize("outcome", [Vanished(), Changed()])
def test_a_file_that_comes_back_as_it_was_is_new(queue: Queue, outcome: object) -> None:
    """A disk that is mounted again brings the very same files."""
    queue.drop("a.png")
    queue.store.record(queue.claim().job_id, outcome, NOW)
    assert not is_known(queue.store, "photos", INBOX / "a.png", arrival().fingerprint)
    assert queue.drop("a.png") == 1


@pytest.mark.parametrize("outcome", [done(), Failed("damaged")])
def test_a_finished_file_is_known_after_a_start_with_other_device_numbers(
    queue: Queue, outcome: object
) -> None:
    queue.drop("a.png")
    queue.store.record(queue.claim().job_id, outcome, NOW)
    elsewhere = replace(arrival().fingerprint, device=99)
    assert is_known(queue.store, "photos", INBOX / "a.png", elsewhere)


def test_again_queues_what_is_known(queue: Queue) -> None:
    queue.drop("a.png")
    queue.store.record(queue.claim().job_id, done(), NOW)
    assert queue.drop("a.png", again=True) == 1
    assert queue.drop("a.png", again=True) == 1, "takes the same job's place"
    assert queue.names() == ["a.png"]


def test_an_oddity_is_refused_once_and_never_runs(store: Store) -> None:
    odd = [arrival("pipe.png", reject_reason="a pipe"), arrival("a.png")]
    odd.append(replace(odd[0], path=INBOX / "0.png", reject_cause=Cause.EMPTY))
    for _ in range(2):
        store.admit("photos", INBOX, odd, RECIPE, DELIVERY, now=NOW)
    rows = store._session.rows("SELECT path, state, cause, reason FROM job ORDER BY id")
    assert rows == [
        (b"/inbox/pipe.png", "failed", "not-a-file", "a pipe"),
        (b"/inbox/0.png", "failed", "empty", "a pipe"),
        (b"/inbox/a.png", "waiting", None, None),
    ]


@pytest.mark.parametrize(
    "name", ["caf\udce9.png", "two\nlines.png", "blank .png", "ü/日本.png", "'\"; DROP TABLE job"]
)
def test_any_name_comes_back_as_it_was(queue: Queue, name: str) -> None:
    assert queue.drop(name) == 1
    order = queue.claim()
    assert order.source == INBOX / name
    assert order.relative == Path(name).parent


def test_a_file_outside_its_root_has_no_folder_below_it(store: Store, queue: Queue) -> None:
    store.admit("photos", Path("/elsewhere"), [arrival("x/a.png")], RECIPE, DELIVERY, now=NOW)
    assert queue.claim().relative == Path()


@pytest.mark.parametrize(
    "found",
    [
        Fingerprint(2**64 - 1, 2**64 - 1, 2**62, 0),  # mergerfs makes inodes of 64 bits
        Fingerprint(0, 2**63, 0, -1_000_000_000),  # before 1970
        Fingerprint(7, 2**63 - 1, 1, 16_299_260_424 * 10**9),  # 2486, the last of XFS
        Fingerprint(7, 1, 1, -(2**31) * 10**9),  # 1901, the first
    ],
)
def test_any_fingerprint_that_stat_can_give_is_kept(
    store: Store, queue: Queue, found: Fingerprint
) -> None:
    path = INBOX / "a.png"
    store.admit("photos", INBOX, [Arrival(path, found)], RECIPE, DELIVERY, now=NOW)
    assert is_known(store, "photos", path, found)
    assert queue.claim().fingerprint == found


def test_a_batch_that_fails_half_way_leaves_nothing(store: Store, queue: Queue) -> None:
    """Not even its recipe in some cache: the next batch must not point to it."""
    broken = Arrival(INBOX / "\ud800.png", Fingerprint(1, 2, 3, 4))
    with pytest.raises(UnicodeEncodeError):
        store.admit("photos", INBOX, [arrival(), broken], RECIPE, DELIVERY, now=NOW)
    other = replace(RECIPE, model="another")
    assert queue.drop("b.png", recipe=other) == 1
    assert queue.drop("c.png") == 1
    assert queue.names(NOW) == ["b.png"]
    assert [queue.claim().recipe, queue.claim().recipe] == [other, RECIPE]


def test_priority_goes_before_age(queue: Queue) -> None:
    queue.drop("old.png")
    queue.drop("urgent.png", priority=5)
    assert queue.names() == ["urgent.png"]
