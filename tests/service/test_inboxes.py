from pathlib import Path

import pytest

from upscaled.config.settings import RuleSettings
from upscaled.delivery import Delivery
from upscaled.dirs import find_trash
from upscaled.recipe import Recipe
from upscaled.service.inboxes import specs


def rule(name: str, root: str, folder: str, *, allow_chain: bool = False) -> RuleSettings:
    return RuleSettings(
        name, (Path(root),), Recipe("x"), Delivery(Path(folder)), allow_chain=allow_chain
    )


@pytest.mark.parametrize("allow_chain", [True, False])
def test_results_are_seen_by_other_rules_only_where_their_rule_says_so(allow_chain: bool) -> None:
    first = rule("a", "/a", "/b/x", allow_chain=allow_chain)
    inboxes = {spec.root: spec for spec in specs([first, rule("b", "/b", "/c")])}
    assert (Path("/b/x") in inboxes[Path("/b")].excluded) is not allow_chain
    assert Path("/c") in inboxes[Path("/b")].excluded
    assert find_trash() in inboxes[Path("/b")].excluded
