"""Where a file goes once somebody has looked into it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from support.builders import DELIVERY, INBOX, RECIPE, order
from upscaled.config.grammar.conditions import Conditions, Span
from upscaled.config.settings import RuleSettings
from upscaled.job import Fingerprint, ImageInfo, Order
from upscaled.rules import STAY, route

LARGE = ImageInfo(4000, 3000, "jpeg", gray=False, alpha=False, animated=False)
SMALL = replace(LARGE, width_px=40, height_px=30)


def rule(name: str, when: Conditions | None = None, **how: Any) -> RuleSettings:
    return RuleSettings(name, (INBOX,), RECIPE, DELIVERY, when=when or Conditions(), **how)


def given(name: str) -> Order:
    return order(INBOX / "a.jpg", Path("/out"), rule=name, fingerprint=Fingerprint(1, 2, 3, 4))


small = rule("small", Conditions(megapixels=Span(most=1)))
tall = rule("tall", Conditions(height_px=Span(least=5000)))
rest = rule("rest")


def test_a_picture_that_fits_stays() -> None:
    assert route([small, rest], given("small"), SMALL) == STAY


def test_one_that_does_not_goes_to_the_next_rule_whose_conditions_hold() -> None:
    found = route([small, tall, rest], given("small"), LARGE)
    assert (found.rule, found.root) == (rest, INBOX)
    assert found.refusal == "it has 12 megapixels, more than 1; rule rest takes it"


def test_with_no_rule_left_every_reason_is_told() -> None:
    found = route([small, tall], given("small"), LARGE)
    assert found.rule is None
    assert found.refusal == (
        "no rule takes it: it has 12 megapixels, more than 1; "
        "tall: it is 3000 px high, less than 5000 px"
    )
    assert route([small], given("small"), LARGE).refusal == (
        "no rule takes it: it has 12 megapixels, more than 1"
    )


def test_a_rule_that_takes_files_beside_others_passes_nothing_on() -> None:
    also = replace(small, also=True)
    found = route([also, rest], given("small"), LARGE)
    assert (found.rule, found.refusal) == (None, "it has 12 megapixels, more than 1")
    elsewhere = route([small, replace(rest, also=True)], given("small"), LARGE)
    assert elsewhere.rule is None


def test_a_job_whose_rule_was_removed_meanwhile_goes_on() -> None:
    assert route([rest], given("small"), LARGE) == STAY


def test_rules_of_other_inboxes_are_not_spoken_of() -> None:
    other = RuleSettings("other", (Path("/elsewhere"),), RECIPE, DELIVERY)
    found = route([small, other], given("small"), LARGE)
    assert found.refusal == "no rule takes it: it has 12 megapixels, more than 1"
