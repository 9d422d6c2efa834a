"""Every reason there is for a file to be taken, or to be kept out, with the line that says so."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from upscaled.cli.explain import Explanation, Facts, explain, look
from upscaled.config.grammar.conditions import Conditions, Span
from upscaled.config.problems import Origin
from upscaled.config.settings import RuleSettings
from upscaled.delivery import Delivery
from upscaled.job import ImageInfo
from upscaled.recipe import Recipe

KEYS = ("", "watch", "recursive", "hidden", "include", "exclude", "exclude.0", "enabled", "when",
        "when.megapixels", "output.folder")  # fmt: skip
PHOTO = ImageInfo(4000, 3000, "jpeg", gray=False, alpha=False, animated=False)


def rule(name: str = "photos", root: str = "/in", out: str = "/out", **how: Any) -> RuleSettings:
    origins = {key: Origin(f"{name}.yml", line, 1) for line, key in enumerate(KEYS, start=1)}
    return RuleSettings(
        name, (Path(root),), Recipe("m"), Delivery(Path(out)), origins=origins, **how
    )


def said(path: str, *rules: RuleSettings, facts: Facts | None = None) -> list[str]:
    return list(explain(rules, Path(path), facts or Facts()).says)


@pytest.mark.parametrize(
    ("path", "how", "reason"),
    [
        ("/other/a.jpg", {}, "it lies outside of /in (photos.yml:2:1)"),
        ("/in", {}, "it lies outside of /in (photos.yml:2:1)"),
        ("/in/a.jpg", {"enabled": False}, "the rule is not enabled (photos.yml:8:1)"),
        ("/in/d/a.jpg", {"recursive": False},
         "it lies in a subfolder, and the rule is not recursive (photos.yml:3:1)"),
        ("/in/.a.jpg", {}, "'.a.jpg' is hidden (photos.yml:4:1)"),
        ("/in/a.txt", {}, "no pattern of include takes it (photos.yml:5:1)"),
        ("/in/small.jpg", {"exclude": ("small*",)}, "'small*' excludes it (photos.yml:7:1)"),
        ("/in/@eaDir/a.jpg", {}, "a folder called '@eaDir' is never looked into"),
        ("/in/out/a.jpg", {"out": "/in/out"},
         "/in/out is where rule photos puts its results (photos.yml:11:1)"),
    ],
)  # fmt: skip
def test_what_keeps_a_file_out_is_told_with_its_line(
    path: str, how: dict[str, Any], reason: str
) -> None:
    found = explain([rule(**how)], Path(path))
    assert found.takers == ()
    assert found.says[1:] == (f"photos: {reason}",)
    assert found.is_outside == ("outside of" in reason)
    assert found.reason == ("no rule takes it: it lies in no inbox" if found.is_outside
                            else f"photos: {reason}")  # fmt: skip


@pytest.mark.parametrize("name", ["a.jpg.part", "a.jpg~", "Thumbs.db", "._a.jpg"])
def test_a_name_that_every_inbox_passes_over_is_told_before_the_rules(name: str) -> None:
    found = explain([rule(hidden=True)], Path("/in", name))
    assert found.takers == ()
    assert found.says[0].startswith("no rule takes it: it has a name that programs give")


def test_the_rule_that_takes_it_is_named_and_what_comes_behind_it() -> None:
    found = said("/in/a.jpg", rule("one"), rule("two"), rule("three", also=True))
    assert found == [
        "taken by rules one, three",
        "one: takes it (one.yml:5:1)",
        "two: rule one has it already (two.yml:1:1)",
        "three: takes it (three.yml:5:1)",
    ]


def test_without_rules_that_is_said() -> None:
    assert said("/in/a.jpg") == ["there are no rules"]


def test_conditions_on_the_picture_wait_for_somebody_to_look() -> None:
    small = rule("small", when=Conditions(megapixels=Span(most=2)))
    found = explain([small, rule("rest")], Path("/in/a.jpg"))
    assert found.needs_image_info
    assert found.says[:2] == (
        "it depends on the picture: small, rest",
        "small: takes it if its conditions hold (small.yml:9:1)",
    )
    looked = explain([small, rule("rest")], Path("/in/a.jpg"), Facts(image_info=PHOTO))
    assert not looked.needs_image_info
    assert looked.says == (
        "taken by rule rest",
        "small: it has 12 megapixels, more than 2 (small.yml:10:1)",
        "rest: takes it (rest.yml:5:1)",
    )


def test_a_condition_on_the_file_itself_needs_no_look_into_it() -> None:
    big = rule(when=Conditions(size_bytes=Span(least=1000)))
    assert said("/in/a.jpg", big, facts=Facts(size_bytes=10))[1] == (
        "photos: the file has 10 bytes, less than 1 kB (photos.yml:9:1)"
    )
    assert said("/in/a.jpg", big, facts=Facts(size_bytes=1000))[0] == "taken by rule photos"


def seen(path: Path, *rules: RuleSettings) -> Explanation:
    return explain(rules, path, look(path, rules))


def test_what_stands_there_is_looked_at(tmp_path: Path) -> None:
    inbox = tmp_path / "in"
    (inbox / "real").mkdir(parents=True)
    watching = rule(root=str(inbox))
    whole = inbox / "real" / "a.jpg"
    whole.write_bytes(b"x")
    (inbox / "empty.jpg").touch()
    os.mkfifo(inbox / "pipe.jpg")
    (inbox / "link.jpg").symlink_to(whole)
    (inbox / "dead.jpg").symlink_to("nowhere")
    (inbox / "linked").symlink_to("real")
    obstacles = {
        "empty.jpg": "is empty (0 bytes)",
        "pipe.jpg": "is a named pipe, not an image",
        "link.jpg": "is a symbolic link: put the file itself there",
        "dead.jpg": "is a symbolic link to nothing",
        "none.jpg": "does not exist",
        "real": "is a folder: name a file in it",
    }
    found = {name: seen(inbox / name, watching).obstacle for name in obstacles}
    assert found == obstacles
    assert seen(whole, watching).takers == ("photos",)
    linked = seen(inbox / "linked" / "a.jpg", watching)
    assert linked.says[1].startswith(
        f"photos: {inbox}/linked is a symbolic link, which is followed "
    )
    following = replace(watching, follow_symlinks=True)
    assert seen(inbox / "linked" / "a.jpg", following).takers == ("photos",)


def test_a_file_named_by_another_way_is_found_in_its_inbox(tmp_path: Path) -> None:
    inbox = tmp_path / "in"
    inbox.mkdir()
    (inbox / "a.jpg").write_bytes(b"x")
    (tmp_path / "way").symlink_to(inbox)
    by_link = seen(tmp_path / "way" / "a.jpg", rule(root=str(inbox)))
    assert (by_link.path, by_link.takers) == (inbox / "a.jpg", ("photos",))
    to_link = seen(inbox / "a.jpg", rule(root=str(tmp_path / "way")))
    assert (to_link.path, to_link.takers) == (tmp_path / "way" / "a.jpg", ("photos",))


def test_the_watcher_and_the_explanation_agree(tmp_path: Path) -> None:
    from upscaled.service.inboxes import specs  # noqa: PLC0415 (watchdog; only this test)
    from upscaled.watch.ignore import Selection  # noqa: PLC0415 (as above)

    rules = (
        rule("jpgs", str(tmp_path), include=("*.jpg",), exclude=("no*",)),
        rule("hidden", str(tmp_path), hidden=True, include=(".*",), recursive=False),
    )
    (spec,) = specs(rules)
    selection = Selection(spec, os.fsencode(tmp_path))
    for name in ("a.jpg", "a.txt", "no.jpg", ".a.png", "d/.a.png", "a.jpg.part", "._a.jpg"):
        full = tmp_path / name
        full.parent.mkdir(exist_ok=True)
        full.write_bytes(b"x")
        taken = selection.takes(os.fsencode(name), os.fsencode(full.name))
        assert bool(seen(full, *rules).takers) == taken, name


def test_traits_can_be_added_to_what_was_seen(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    asking = rule(root=str(tmp_path), when=Conditions(gray=True))
    facts = look(tmp_path / "a.jpg", [asking])
    found = explain([asking], tmp_path / "a.jpg", replace(facts, image_info=PHOTO))
    assert found.says[1] == "photos: it is in colour (photos.yml:9:1)"
