"""Which job goes next."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upscaled.service.scheduler import DEPTH, Flying, choose
from upscaled.store.jobs import Ready


def ready(rule: str = "a", job_id: int = 1, **fields: object) -> Ready:
    return Ready(**{"rule": rule, "suspect": False, "priority": 0, "job_id": job_id} | fields)


def flying(*rules: str, suspect: bool = False) -> list[Flying]:
    return [Flying(rule, suspect) for rule in rules]


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


@pytest.mark.parametrize("rules", ["ab", "abc"])
def test_over_time_each_rule_gets_its_share(rules: str) -> None:
    turns: list[str] = []
    for step in range(30):
        chosen = choose([ready(rule, n + step) for n, rule in enumerate(rules)], [], turns)
        assert chosen
        turns = [rule for rule in turns if rule != chosen.rule] + [chosen.rule]
        if step >= len(rules):
            assert turns[-1] != turns[-2]
