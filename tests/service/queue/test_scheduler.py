"""Which job goes next."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upscaled.service.queue.scheduler import AGE_S, DEPTH, RUN_JOBS, RUN_S, SUSPECT_S, Flying, Turns
from upscaled.store.jobs import Ready

NOW = 1_000.0


def ready(rule: str = "a", job_id: int = 1, **fields: object) -> Ready:
    return Ready(**{"rule": rule, "suspect": False, "priority": 0, "job_id": job_id} | fields)


def flying(*rules: str, suspect: bool = False) -> list[Flying]:
    return [Flying(rule, suspect) for rule in rules]


def choose(
    offered: list[Ready], running: list[Flying], last_rules: list[str], now: float = NOW
) -> Ready | None:
    return Turns(list(last_rules)).choose(offered, running, "cpu", now)


def test_nothing_ready_means_nothing_chosen() -> None:
    assert choose([], [], []) is None


def test_priority_goes_first_whoever_had_the_last_turn() -> None:
    low, high = ready("a", 1), ready("b", 2, priority=5)
    assert choose([low, high], flying("b"), ["b"]) == high


def test_rules_take_turns() -> None:
    a, b, c = ready("a", 1), ready("b", 2), ready("c", 3)
    assert choose([a, b, c], [], []) == a
    assert choose([a, b, c], [], ["a"]) == b
    assert choose([a, b, c], [], ["a", "b"]) == c
    assert choose([a, b, c], [], ["a", "b", "c"]) == a
    assert choose([a, b, c], [], ["c", "b", "a"]) == c


def test_no_more_than_the_depth_is_in_the_worker() -> None:
    assert choose([ready()], flying("a", "b"), []) == ready()
    assert choose([ready()], flying(*"abc"), []) is None
    assert DEPTH == 3


def test_a_suspect_runs_alone_and_last() -> None:
    suspect, innocent = ready("a", 1, suspect=True, priority=9), ready("b", 2)
    assert choose([suspect, innocent], [], []) == innocent
    assert choose([suspect], flying("b"), []) is None
    assert choose([suspect], [], []) == suspect
    assert choose([innocent], flying("a", suspect=True), []) is None


def test_a_rule_that_was_paused_sends_one_job_to_look() -> None:
    probe = ready("a", 1, probe=True)
    assert choose([probe], [], []) == probe
    assert choose([probe], flying("b"), []) == probe
    assert choose([probe], flying("a"), []) is None


def test_a_suspect_of_a_paused_rule_is_its_probe() -> None:
    probe = ready("a", 1, probe=True, suspect=True)
    assert choose([probe], [], []) == probe


RULES = st.sampled_from("abcd")
READY = st.builds(
    Ready, RULES, st.booleans(), st.integers(-1, 1), st.integers(1, 99), probe=st.booleans()
)
FLYING = st.lists(st.builds(Flying, RULES, st.booleans()), max_size=4)


@settings(deadline=None)
@given(st.lists(READY, max_size=6), FLYING, st.permutations("abcd"))
def test_whatever_is_chosen_may_run_beside_what_runs(
    offered: list[Ready], running: list[Flying], turns: list[str]
) -> None:
    chosen = choose(offered, running, turns)
    if chosen is None:
        # Something runs, or nothing is offered: the queue never stands still for nothing.
        assert running or not offered
        return
    assert chosen in offered
    assert len(running) < DEPTH
    assert not any(job.suspect for job in running)
    assert not (chosen.suspect and running)
    assert not (chosen.probe and chosen.rule in {job.rule for job in running})


class Day:
    """One device that never rests; each job takes `job_s`, each load of a model `load_s`."""

    def __init__(self, job_s: float = 1.0, load_s: float = 5.0) -> None:
        self.turns, self.now = Turns(), NOW
        self.job_s, self.load_s = job_s, load_s
        self.loads = 0
        self.done: list[Ready] = []

    def go_on(self, offered: list[Ready], seconds: float) -> list[Ready]:
        """What was chosen while this was offered all the time."""
        began, before = self.now, len(self.done)
        while self.now < began + seconds:
            chosen = self.turns.choose(offered, [], "cpu", self.now)
            assert chosen is not None
            self.turns.take(chosen, "cpu", self.now)
            if not self.done or self.done[-1].model != chosen.model:
                self.loads += 1
                self.now += self.load_s
            self.done.append(chosen)
            self.now += self.job_s
        return self.done[before:]


@pytest.mark.parametrize("rules", ["ab", "abc"])
def test_over_time_each_rule_gets_its_share(rules: str) -> None:
    done = Day().go_on([ready(rule, n) for n, rule in enumerate(rules)], 30)
    assert all(one.rule != other.rule for one, other in pairwise(done))


def test_jobs_that_share_a_model_go_together_and_rules_have_equal_time() -> None:
    day = Day()
    day.go_on([ready(rule, model=rule) for rule in "abc"], 3600)
    shares = Counter(job.rule for job in day.done)
    # Turn by turn it would be one load for each of 600 jobs.
    assert day.loads <= 3600 / RUN_S + 1
    assert max(shares.values()) <= 1.2 * min(shares.values())


def test_rules_of_one_model_take_turns_within_its_run() -> None:
    offered = [ready("a", model="m"), ready("b", model="m"), ready("c", model="n")]
    assert [job.rule for job in Day().go_on(offered, 8)] == ["a", "b", "a"]


def test_a_run_of_quick_jobs_ends_by_their_number() -> None:
    day = Day(job_s=0.001, load_s=0.0)
    done = day.go_on([ready("a", model="a"), ready("b", model="b")], 0.2)
    assert [job.rule for job in done[: 2 * RUN_JOBS]] == ["a"] * RUN_JOBS + ["b"] * RUN_JOBS


def test_a_higher_priority_breaks_a_run() -> None:
    day = Day()
    day.go_on([ready("a", model="a")], 10)
    assert day.go_on([ready("a", model="a"), ready("b", model="b", priority=1)], 1)[0].rule == "b"


def test_a_run_that_nobody_waits_behind_has_no_end() -> None:
    assert Day().go_on([ready("a", model="a")], 10 * RUN_S)[-1].rule == "a"


@pytest.mark.parametrize("steps", [1, 7])
def test_who_waits_behind_a_higher_priority_has_a_turn_for_each_step_of_it(steps: int) -> None:
    day = Day()
    done = day.go_on([ready("low"), ready("high", priority=steps)], 3600)
    low = [number for number, job in enumerate(done) if job.rule == "low"]
    assert 3600 / ((steps + 2) * AGE_S) <= len(low) <= 3600 / (steps * AGE_S) + 1


def test_a_suspect_does_not_wait_for_ever_behind_an_endless_stream() -> None:
    turns, offered = Turns(), [ready("a"), ready("b", 2, suspect=True)]
    assert turns.choose(offered, [], "cpu", NOW) == offered[0]
    later = NOW + SUSPECT_S
    assert turns.choose(offered, flying("a"), "cpu", later) is None, "it runs alone"
    assert turns.choose(offered, [], "cpu", later) == offered[1]
    turns.take(offered[1], "cpu", later)
    assert turns.choose(offered, [], "cpu", later) == offered[0]


def test_each_device_has_a_run_of_its_own() -> None:
    turns, offered = Turns(), [ready("a", model="a"), ready("b", model="b")]
    for device, expected in [("cuda:0", "a"), ("cuda:1", "b"), ("cuda:0", "a"), ("cuda:1", "b")]:
        chosen = turns.choose(offered, [], device, NOW)
        assert chosen is not None
        assert chosen.rule == expected
        turns.take(chosen, device, NOW)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.integers(-3, 3), st.sampled_from("mno")), min_size=1, max_size=5),
    st.sampled_from([0.1, 5.0, 100.0]),
)
def test_no_rule_starves_whatever_its_priority_and_model(
    rules: list[tuple[int, str]], job_s: float
) -> None:
    offered = [
        ready(str(n), n, priority=priority, model=model)
        for n, (priority, model) in enumerate(rules)
    ]
    day = Day(job_s)
    spread = max(p for p, _ in rules) - min(p for p, _ in rules)
    limit_s = (spread + 2) * AGE_S + RUN_S + 2 * len(rules) * (job_s + day.load_s) * 2
    for _ in range(3):
        assert {job.rule for job in day.go_on(offered, limit_s)} == {r.rule for r in offered}
