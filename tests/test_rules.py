import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upscaled.config.problems import Origin
from upscaled.config.settings import DEFAULT_INCLUDE, RuleSettings
from upscaled.delivery import Delivery
from upscaled.recipe import Recipe
from upscaled.rules import judge, match

IN = Path("/in")


def rule(name: str = "photos", *roots: str, **how: Any) -> RuleSettings:
    folders = tuple(map(Path, roots)) or (IN,)
    return RuleSettings(name, folders, Recipe("m"), Delivery(Path("/out")), **how)


@pytest.mark.parametrize(
    "name",
    ["a.jpg", "a.JPG", "a b.Jpeg", "照片.png", "a.tar.webp", "d/e/f.tiff", "a\nb.png", "d\ne/f.png",
     os.fsdecode(b"\xff.png"), "~x.gif", "#a.bmp", "a.jpg.png", "-.avif"],
)  # fmt: skip
def test_the_usual_image_files_are_taken(name: str) -> None:
    found = match([rule()], IN / name)
    assert found.rule is not None
    assert (found.rule.name, found.root) == ("photos", IN)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.txt", "photos: no pattern of include takes it"),
        ("jpg", "photos: no pattern of include takes it"),
        ("a.jpg~", "photos: no pattern of include takes it"),
        (".a.jpg", "photos: '.a.jpg' is hidden"),
        (".d/a.jpg", "photos: '.d' is hidden"),
    ],
)
def test_what_is_not_taken_has_a_reason(name: str, reason: str) -> None:
    found = match([rule()], IN / name)
    assert (found.rule, found.root, found.reason) == (None, None, reason)


def test_a_file_elsewhere_lies_in_no_inbox() -> None:
    assert match([rule()], Path("/other/a.jpg")).reason == "it lies in no inbox"
    assert match([rule()], Path("/in2/a.jpg")).rule is None
    assert match([rule()], IN).rule is None
    assert match([], IN / "a.jpg").reason == "it lies in no inbox"


def test_hidden_files_are_taken_where_asked_for() -> None:
    assert match([rule(hidden=True)], IN / ".d" / ".a.jpg").rule


def test_subfolders_need_recursion() -> None:
    flat = rule(recursive=False)
    assert match([flat], IN / "a.jpg").rule
    assert "not recursive" in match([flat], IN / "d" / "a.jpg").reason


def test_a_rule_that_is_off_takes_nothing_and_says_so() -> None:
    assert match([rule(enabled=False)], IN / "a.jpg").reason == "photos: the rule is not enabled"


def test_the_first_rule_in_file_order_wins() -> None:
    first = rule("pngs", include=("*.png",))
    second = rule("rest")
    found = match([first, second], IN / "a.png")
    assert found.rule is first
    assert [str(verdict) for verdict in found.verdicts] == ["pngs: takes it by '*.png'"]
    found = match([first, second], IN / "a.jpg")
    assert found.rule is second
    assert [verdict.takes for verdict in found.verdicts] == [False, True]


@pytest.mark.parametrize("seen_under", [None, Path("/in"), Path("/in/deep")])
def test_nested_inboxes_give_one_answer_whoever_saw_the_file(seen_under: Path | None) -> None:
    outer, inner = rule("outer", "/in"), rule("inner", "/in/deep")
    assert match([outer, inner], Path("/in/deep/a.jpg"), seen_under).rule is outer
    assert match([inner, outer], Path("/in/deep/a.jpg"), seen_under).rule is inner


def test_of_several_roots_the_nearest_is_meant_unless_one_is_named() -> None:
    both = rule("both", "/in", "/in/deep")
    assert match([both], Path("/in/deep/a.jpg")).root == Path("/in/deep")
    assert match([both], Path("/in/deep/a.jpg"), Path("/in")).root == Path("/in")


@pytest.mark.parametrize(
    ("include", "exclude", "name", "taken"),
    [
        (("*.jpg",), (), "d/a.JPG", True),
        (("/*.jpg",), (), "d/a.jpg", False),
        (("raw/",), (), "RAW/x/a.dng", True),
        (("raw/**/*.png",), (), "raw/a/b/c.png", True),
        (("*.jpg", "!small*"), (), "small1.jpg", False),
        (("*.jpg",), ("thumbs/",), "d/thumbs/a.jpg", False),
        (("*.jpg",), ("thumbs/",), "thumbs.jpg", True),
        (("*.jpg",), ("*_4x.*", "!keep_4x.jpg"), "keep_4x.jpg", True),
        (("*.jpg",), ("*_4x.*",), "a_4X.jpg", False),
        (("[a-c]*.png",), (), "B.png", True),
    ],
)
def test_patterns_are_those_of_gitignore_without_regard_to_case(
    include: tuple[str, ...], exclude: tuple[str, ...], name: str, taken: bool
) -> None:
    assert (match([rule(include=include, exclude=exclude)], IN / name).rule is not None) == taken


def test_the_deciding_line_is_named() -> None:
    origins = {
        "": Origin("c.yml", 1, 1),
        "include": Origin("c.yml", 2, 1),
        "exclude": Origin("c.yml", 3, 1),
        "exclude.1": Origin("c.yml", 3, 20),
        "watch": Origin("c.yml", 4, 4),
    }
    one = rule(include=("*.jpg",), exclude=("a*", "b*"), origins=origins)
    assert match([one], IN / "b.jpg").reason == "photos: 'b*' excludes it (c.yml:3:20)"
    assert match([one], IN / "b.png").reason == (
        "photos: no pattern of include takes it (c.yml:2:1)"
    )
    assert match([one], IN / "c.jpg").reason == "photos: takes it by '*.jpg' (c.yml:2:1)"
    assert match([one], Path("/x.jpg")).verdicts[0].origin == Origin("c.yml", 4, 4)


@given(
    st.lists(st.text(st.characters(exclude_characters="/\0"), min_size=1), min_size=1, max_size=4)
)
def test_the_short_way_for_usual_files_agrees_with_the_patterns(parts: list[str]) -> None:
    parts = [part for part in parts if part not in {".", ".."}]
    path = IN.joinpath(*parts, "x.png")
    same = rule(include=(*DEFAULT_INCLUDE, "never-such-a-name"), hidden=True)
    assert judge(rule(hidden=True), path, IN).takes == judge(same, path, IN).takes
