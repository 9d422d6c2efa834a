"""An attempt is counted before any work, and what its end means for the job."""

from dataclasses import replace
from typing import Any

import pytest

from support.builders import NOW, RECIPE, done, result
from upscaled.errors import StoreError
from upscaled.job import JobState
from upscaled.outcomes import (
    Cancelled,
    Changed,
    Done,
    Duplicate,
    Failed,
    Interrupted,
    Retry,
    Snoozed,
    Vanished,
)
from upscaled.recipe import OutputOptions
from upscaled.store import retry
from upscaled.store.jobs import Ready, Store

Queue = Any
FAR = NOW + 10 * retry.LONGEST_S


def test_the_attempt_is_counted_when_the_job_is_claimed(queue: Queue) -> None:
    queue.drop("a.png")
    order = queue.claim()
    assert order.attempt == 1
    assert queue.column(order.job_id, "attempts") == 1
    assert queue.column(order.job_id, "owner") == "me"
    assert queue.events(order.job_id) == ["claimed"]


def test_nothing_is_claimed_twice(queue: Queue) -> None:
    queue.drop("a.png")
    (ready,) = queue.store.ready(["photos"], NOW)
    assert queue.store.claim(ready, "me", NOW)
    assert queue.store.claim(ready, "me", NOW) is None
    assert queue.store.ready(["photos"], NOW) == ()


def test_an_interruption_gives_the_attempt_back(queue: Queue) -> None:
    queue.drop("a.png")
    for _ in range(5):
        order = queue.claim()
        assert order.attempt == 1
        assert queue.store.record(order.job_id, Interrupted(), NOW) is JobState.WAITING


def test_a_retry_waits_longer_each_time_and_ends_as_failed(queue: Queue) -> None:
    queue.drop("a.png")
    now, states, waits = NOW, [], []
    for _ in range(retry.MAX_ATTEMPTS):
        order = queue.claim(now)
        states.append(queue.store.record(order.job_id, Retry("truncated"), now))
        due = queue.store.next_wake(now)
        waits.append((due or now) - now)
        assert queue.names(now) == []
        now = due or now
    assert states == [JobState.WAITING, JobState.WAITING, JobState.FAILED]
    assert 9 <= waits[0] <= 11
    assert 54 <= waits[1] <= 66
    assert queue.column(order.job_id, "reason") == "truncated (tried 3 times)"


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (done(), JobState.DONE),
        (Failed("no image", "look at it"), JobState.FAILED),
        (Changed(), JobState.CANCELLED),
        (Vanished(), JobState.CANCELLED),
        (Cancelled("by hand"), JobState.CANCELLED),
    ],
)
def test_a_final_outcome_ends_the_job(queue: Queue, outcome: Any, state: JobState) -> None:
    queue.drop("a.png")
    order = queue.claim()
    assert queue.store.record(order.job_id, outcome, NOW) is state
    assert queue.store.ready(["photos"], FAR) == ()
    pending = state in {JobState.DONE, JobState.FAILED}
    assert [d.job_id for d in queue.store.disposals()] == [order.job_id] * pending
    with pytest.raises(StoreError):
        queue.store.record(order.job_id, outcome, NOW)


def test_reasons_may_hold_names_that_are_no_utf8(queue: Queue) -> None:
    queue.drop("a.png")
    order = queue.claim()
    queue.store.record(order.job_id, Failed("caf\udce9 \ud800", "look at caf\udce9"), NOW)
    assert queue.column(order.job_id, "reason") == "caf\\udce9 \\ud800"
    assert queue.column(order.job_id, "hint") == "look at caf\\xe9"


# Trouble of the environment


def test_a_full_disk_pauses_the_rule_and_costs_no_attempt(queue: Queue) -> None:
    queue.drop("a.png", "b.png")
    queue.drop("c.png", rule="scans")
    order = queue.claim()
    assert queue.store.record(order.job_id, Snoozed("disk full"), NOW) is JobState.WAITING
    assert queue.column(order.job_id, "attempts") == 0
    assert queue.names(NOW, "photos", "scans") == ["c.png"]


def test_after_a_pause_one_job_at_a_time_probes_and_success_ends_it(queue: Queue) -> None:
    queue.drop("a.png", "b.png", "c.png")
    queue.store.record(queue.claim().job_id, Snoozed("disk full"), NOW)
    later = queue.store.next_wake(NOW)
    (ready,) = queue.store.ready(["photos"], later)
    assert ready.probe
    probe = queue.store.claim(ready, "me", later)
    queue.store.record(probe.job_id, done(), later)
    assert not any(ready.probe for ready in queue.store.ready(["photos"], later))


def test_the_next_probe_is_another_files_turn(queue: Queue) -> None:
    """One file that cannot be written must not hold its rule for ever."""
    queue.drop("unwritable.png", "b.png", "c.png")
    bad = queue.claim()
    queue.store.record(bad.job_id, Snoozed("name refused"), NOW)
    later = queue.store.next_wake(NOW)
    probe = queue.claim(later)
    assert probe.source.name == "b.png"
    queue.store.record(probe.job_id, done(), later)
    assert queue.names(later) == ["c.png"]
    assert queue.claim(later + 2).source.name == "unwritable.png"


def test_alone_in_its_rule_it_probes_itself(queue: Queue) -> None:
    queue.drop("a.png")
    now, waits = NOW, []
    for _ in range(8):
        queue.store.record(queue.claim(now).job_id, Snoozed("disk full"), now)
        begun = now
        while not queue.names(now):
            now = queue.store.next_wake(now)
        waits.append(now - begun)
    assert waits[0] < 8
    assert 100 < waits[5] < 200
    assert 269 < waits[7] < 332


def test_a_file_that_alone_cannot_be_read_leaves_its_rule_running(queue: Queue) -> None:
    queue.drop("secret.png", "b.png")
    order = queue.claim()
    queue.store.record(order.job_id, Snoozed("no permission", whole_rule=False), NOW)
    assert queue.names() == ["b.png"]
    (ready,) = queue.store.ready(["photos"], NOW)
    assert not ready.probe
    assert queue.names(FAR) == ["secret.png"]
    assert queue.column(order.job_id, "attempts") == 0


# Death of the worker


def test_the_death_of_several_is_nobodys_fault_and_they_go_on_one_by_one(queue: Queue) -> None:
    queue.drop("a.png", "b.png", "c.png")
    ids = [queue.claim().job_id for _ in range(3)]
    for _ in range(5):
        assert queue.store.died(ids[:2], "SIGSEGV", NOW) == ()
        for _ in ids[:2]:
            assert queue.claim(suspect=True).attempt == 1
    assert [queue.column(job_id, "deaths") for job_id in ids] == [0, 0, 0]
    assert queue.column(ids[2], "state") == "running"


def test_a_job_that_kills_the_worker_three_times_alone_is_poison(queue: Queue) -> None:
    queue.drop("a.png")
    order = queue.claim()
    poison = [queue.store.died([order.job_id], "SIGSEGV", NOW)]
    for _ in range(2):
        queue.claim(suspect=True)
        poison.append(queue.store.died([order.job_id], "SIGSEGV", NOW))
    assert poison == [(), (), (order.job_id,)]
    assert queue.column(order.job_id, "reason") == "it killed the worker 3 times (SIGSEGV)"
    assert [d.job_id for d in queue.store.disposals()] == [order.job_id]


def test_a_suspect_stays_one_until_it_is_done(queue: Queue) -> None:
    queue.drop("a.png")
    order = queue.claim()
    queue.store.died([order.job_id], "SIGSEGV", NOW)
    now = NOW
    for outcome in (Interrupted(), Snoozed("full"), Snoozed("busy", whole_rule=False), Retry("x")):
        queue.store.record(queue.claim(now, suspect=True).job_id, outcome, now)
        now += retry.LONGEST_S
    queue.store.record(queue.claim(now, suspect=True).job_id, done(), now)
    assert queue.column(order.job_id, "suspect") == 0


# Twins


def test_the_same_bytes_by_the_same_rule_and_recipe_are_found(queue: Queue) -> None:
    queue.drop("a.png", "b.png")
    first, second = queue.claim(), queue.claim()
    assert queue.store.identify(first.job_id, "c" * 64) is None
    queue.store.record(first.job_id, done(), NOW)
    assert queue.store.identify(second.job_id, "c" * 64) == Duplicate(first.job_id, result())
    assert queue.store.identify(second.job_id, "d" * 64) is None


@pytest.mark.parametrize(
    "other", [{"rule": "scans"}, {"recipe": replace(RECIPE, output=OutputOptions("png"))}]
)
def test_another_rule_or_recipe_makes_no_twin(queue: Queue, other: dict[str, Any]) -> None:
    queue.drop("a.png")
    queue.store.record(queue.claim().job_id, done(), NOW)
    queue.drop("b.png", **other)
    second = queue.claim(rule=str(other.get("rule", "photos")))
    assert queue.store.identify(second.job_id, "c" * 64) is None


def test_the_tile_size_changes_no_pixel_and_hides_no_twin(queue: Queue) -> None:
    queue.drop("a.png")
    queue.store.record(queue.claim().job_id, done(), NOW)
    queue.drop("b.png", recipe=replace(RECIPE, tile_px=64))
    assert queue.store.identify(queue.claim().job_id, "c" * 64)


def test_a_job_that_only_failed_is_no_twin(queue: Queue) -> None:
    queue.drop("a.png", "b.png")
    first, second = queue.claim(), queue.claim()
    queue.store.identify(first.job_id, "c" * 64)
    queue.store.record(first.job_id, Failed("no space"), NOW)
    assert queue.store.identify(second.job_id, "c" * 64) is None


# Circles


def test_a_result_that_comes_back_to_its_rule_is_known(queue: Queue) -> None:
    queue.drop("a.png")
    first = queue.claim()
    made = done()
    queue.store.record(first.job_id, made, NOW)
    assert queue.store.made_by("photos", made.result.sha256) == first.job_id
    assert queue.store.made_by("scans", made.result.sha256) is None
    assert queue.store.made_by("photos", made.content_sha256) is None


def test_a_circle_over_other_rules_is_known_too(queue: Queue) -> None:
    queue.drop("a.png")
    first = queue.claim()
    made = done()
    queue.store.record(first.job_id, made, NOW)
    queue.drop("b.png", rule="scans")
    second = queue.claim(rule="scans")
    further = Done(replace(made.result, sha256="9" * 64), made.result.sha256)
    queue.store.record(second.job_id, further, NOW)
    assert queue.store.made_by("photos", "9" * 64) == first.job_id
    assert queue.store.made_by("scans", made.result.sha256) is None


# Time


def test_the_next_wake_is_the_first_of_jobs_and_pauses(queue: Queue) -> None:
    assert queue.store.next_wake(NOW) is None
    queue.drop("a.png", "b.png")
    assert queue.store.next_wake(NOW) is None, "it is due already"
    queue.store.record(queue.claim().job_id, Retry("truncated"), NOW)
    soonest = queue.store.next_wake(NOW)
    assert NOW + 9 <= soonest <= NOW + 11
    queue.store.record(queue.claim().job_id, Snoozed("full"), NOW)
    assert NOW + 4 <= queue.store.next_wake(NOW) <= NOW + 6
    assert queue.store.next_wake(FAR) is None


@pytest.mark.parametrize("outcome", [Retry("x"), Snoozed("x"), Snoozed("x", whole_rule=False)])
def test_a_clock_that_is_put_back_holds_nothing(queue: Queue, outcome: Any) -> None:
    queue.drop("a.png")
    queue.store.record(queue.claim().job_id, outcome, NOW)
    a_year_ago = NOW - 365 * 86_400
    assert queue.names(a_year_ago) == ["a.png"]
    assert queue.store.next_wake(a_year_ago) is None
    assert queue.claim(a_year_ago).attempt in (1, 2)


def test_a_rule_that_is_gone_keeps_its_jobs(queue: Queue) -> None:
    queue.drop("a.png", rule="removed")
    assert queue.store.ready(["photos"], NOW) == ()
    assert [r.rule for r in queue.store.ready(["photos", "removed"], NOW)] == ["removed"]


def test_a_claim_that_cannot_be_read_is_not_counted(store: Store, queue: Queue) -> None:
    queue.drop("a.png")
    store._session.conn.execute("UPDATE recipe SET recipe = 'nonsense'")
    with pytest.raises(ValueError, match="line 1"):
        store.claim(Ready("photos", suspect=False, priority=0, job_id=1), "me", NOW)
    assert queue.column(1, "state") == "waiting"
    assert queue.column(1, "attempts") == 0
