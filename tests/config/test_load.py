"""Several ways to say the same, and what the settings make of it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from upscaled.config.grammar.conditions import Conditions
from upscaled.config.load import default_settings
from upscaled.config.problems import ConfigProblems
from upscaled.config.settings import DEFAULT_INCLUDE, Settings
from upscaled.delivery import Delivery
from upscaled.recipe import OutputOptions, Recipe

Load = Callable[..., Settings]


def test_without_a_configuration_there_is_one_rule() -> None:
    settings = default_settings(Path("/home/me"))
    (rule,) = settings.rules
    assert rule.name == "photos"
    assert rule.roots == (Path("/home/me/Upscale/inbox"),)
    assert rule.delivery == Delivery(Path("/home/me/Upscale/outbox"))
    assert rule.recipe == Recipe("realesrgan-x4plus")
    assert rule.recursive
    assert settings.notices == ()


def test_the_shortest_rule_has_the_defaults(load: Load, tmp_path: Path) -> None:
    settings = load("rules: {photos: {watch: ~/Upscale/inbox, output: ~/Upscale/outbox}}")
    default = default_settings(Path("/home/me"))
    assert settings.rules == default.rules
    assert (settings.device, settings.keep_alive_s) == (default.device, default.keep_alive_s)
    assert settings.source_files == (tmp_path / "upscaled.yml",)


def test_everything_that_a_rule_can_say(load: Load, tmp_path: Path) -> None:
    settings = load(
        """
        device: [cuda:0, cuda:1]
        precision: float16
        memory: 4GB
        keep_alive: forever
        watch_config: true
        rules:
          photos:
            description: all of it
            watch: [in, ~/more, /abs/../abs/in]
            recursive: false
            hidden: true
            include: "*.png"
            exclude: [raw/, "!raw/keep.png"]
            output:
              folder: out
              name: "{rule}-{stem}-{n}.{ext}"
              format: jpg
              quality: 80
              collision: replace
              require_mount: false
            require_mount: true
            on_success: {move: done}
            on_failure: {move: ~/failed}
            settle: 500ms
            rescan: 1h30m
            poll: 15
            timeout: 2m
            priority: -5
            enabled: false
            retry: {max_attempt_count: 7}
        """
    )
    (rule,) = settings.rules
    assert (settings.device, settings.precision) == (("cuda:0", "cuda:1"), "fp16")
    assert (settings.memory_bytes, settings.memory_share) == (4_000_000_000, None)
    assert (settings.keep_alive_s, settings.watch_config) == (None, True)
    assert rule.roots == (tmp_path / "in", Path("/home/me/more"), Path("/abs/in"))
    assert (rule.recursive, rule.hidden, rule.enabled) == (False, True, False)
    assert (rule.include, rule.exclude) == (("*.png",), ("raw/", "!raw/keep.png"))
    assert rule.recipe == Recipe(
        "realesrgan-x4plus", precision="fp16", output=OutputOptions("jpeg", quality=80)
    )
    assert rule.delivery == Delivery(
        tmp_path / "out",
        "{rule}-{stem}-{n}.{ext}",
        "replace",
        "move",
        tmp_path / "done",
        "move",
        Path("/home/me/failed"),
        require_mount=False,
    )
    assert rule.require_mount is True
    assert (rule.settle_s, rule.rescan_s, rule.poll_s, rule.timeout_s) == (0.5, 5400, 15, 120)
    assert (rule.priority, rule.max_attempts) == (-5, 7)


@pytest.mark.parametrize("written", ["", "require_mount: auto,"])
def test_a_disk_is_waited_for_where_it_was_seen_unless_something_else_is_said(
    load: Load, written: str
) -> None:
    (rule,) = load(f"rules: {{a: {{watch: in, {written} output: {{folder: out}}}}}}").rules
    assert rule.require_mount is None
    assert rule.delivery.require_mount is None


@pytest.mark.parametrize("written", ["yess", "'true'", "1", "[]"])
def test_a_demand_for_a_disk_is_one_of_three(load: Load, written: str) -> None:
    with pytest.raises(ConfigProblems, match="auto or true or false"):
        load(f"rules: {{a: {{watch: in, output: out, require_mount: {written}}}}}")


@pytest.mark.parametrize("written", ["keep", "delete", "trash"])
def test_a_source_can_be_kept_deleted_or_put_into_the_trash(load: Load, written: str) -> None:
    settings = load(f"rules: {{a: {{watch: in, output: out, on_success: {written}}}}}")
    assert settings.rules[0].delivery.on_success == written


def test_an_empty_value_is_as_if_it_were_not_there(load: Load) -> None:
    text = "rules:\n  a:\n    watch: in\n    output: out\n"
    empty = "    exclude:\n    include:\n    on_success:\n    priority:\n    output:\n"
    assert load(text + empty.replace("    output:\n", "")).rules == load(text).rules


@pytest.mark.parametrize(("keep_alive", "seconds"), [("-1", None), ("0", 0.0), ("10m", 600.0)])
def test_keep_alive_can_be_for_ever(load: Load, keep_alive: str, seconds: float | None) -> None:
    settings = load(f"keep_alive: {keep_alive}\nrules: {{a: {{watch: in, output: out}}}}")
    assert settings.keep_alive_s == seconds


def test_defaults_hold_for_all_rules_and_extends_goes_between(load: Load) -> None:
    settings = load(
        """
        defaults:
          output: {folder: /out, quality: 80, format: webp}
          exclude: [raw/]
          max_attempts: 5
          enabled: false
        rules:
          a: {watch: /a, output: {quality: 90}, priority: 3}
          b: {watch: /b, extends: a, output: /other, exclude: [], retry: 2}
          c: {watch: /c, extends: b, description: c, enabled: false}
        """
    )
    a, b, c = settings.rules
    assert (a.recipe.output.quality, a.recipe.output.format, a.delivery.folder) == (
        90,
        "webp",
        Path("/out"),
    )
    assert (a.exclude, a.max_attempts, a.priority) == (("raw/",), 5, 3)
    assert (b.recipe.output.quality, b.recipe.output.format, b.delivery.folder) == (
        90,
        "webp",
        Path("/other"),
    )
    assert (b.exclude, b.max_attempts, b.priority) == ((), 2, 3)
    assert (c.roots, c.exclude, c.max_attempts) == ((Path("/c"),), (), 2)
    # Whether a rule is on is its own affair: a rule that is off can serve as a pattern.
    assert (a.enabled, b.enabled, c.enabled) == (True, True, False)


def test_anchors_and_merges_and_keys_of_ones_own(load: Load) -> None:
    settings = load(
        """
        x-common: &common {settle: 9s, priority: 1, x-note: mine}
        x-more: &more {priority: 2, hidden: true}
        rules:
          a: {<<: *common, watch: /a, output: /out, x-owner: me}
          b: {<<: [*common, *more], watch: /b, output: /out2, settle: 1s}
        """
    )
    a, b = settings.rules
    assert (a.settle_s, a.priority, a.hidden) == (9, 1, False)
    assert (b.settle_s, b.priority, b.hidden) == (1, 1, True)


def test_a_later_file_is_laid_over_an_earlier_one(load: Load, tmp_path: Path) -> None:
    settings = load(
        "memory: 1GB\nrules: {a: {watch: [in], output: {folder: out, format: png}, priority: 1}}",
        "memory: 2GB\nrules: {a: {watch: [in2], output: {quality: 80}, priority: 2}}",
        "rules: {b: {watch: /b, output: /c}}",
    )
    a, b = settings.rules
    assert (settings.memory_bytes, a.priority) == (2_000_000_000, 2)
    assert (a.recipe.output.format, a.recipe.output.quality, b.name) == ("png", 80, "b")
    # As compose does it, lists are joined.
    assert a.roots == (tmp_path / "in", tmp_path / "in2")
    assert len(settings.source_files) == 3


def test_includes_bring_rules_and_their_own_folder(load: Load, tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "b.yml").write_text("rules: {b: {watch: in, output: out}}")
    (tmp_path / "conf.d" / "c.yml").write_text("component: {id: net, scale: 4}")
    settings = load("include: [conf.d/*.yml, none.d/*.yml]\nrules: {a: {watch: in, output: out}}")
    a, b = settings.rules
    assert (a.roots[0], b.roots[0]) == (tmp_path / "in", tmp_path / "conf.d" / "in")
    assert (a.component, a.recipe.scale) == ("net", 4)
    assert b.origins["watch"].file.endswith("conf.d/b.yml")
    assert len(settings.source_files) == 3


def test_what_two_files_say_is_a_conflict_with_both_places(load: Load, tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_text("device: cpu\nrules:\n  a: {watch: in2, output: out2}\n")
    with pytest.raises(ConfigProblems) as raised:
        load("include: b.yml\ndevice: cuda\nrules:\n  a: {watch: in, output: out}\n")
    problems = raised.value.problems
    assert [(p.message, Path(p.file).name, p.line) for p in problems] == [
        ("'device' is set twice", "b.yml", 1),
        ("'rules.a' is set twice", "b.yml", 3),
    ]
    assert problems[1].hint == f"also in {tmp_path / 'upscaled.yml'}:4:3"


def test_a_file_that_includes_itself_is_refused(load: Load, tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_text("include: upscaled.yml")
    with pytest.raises(ConfigProblems, match="includes itself"):
        load("include: b.yml\nrules: {a: {watch: in, output: out}}")


def test_a_problem_in_an_included_file_is_told_there(load: Load, tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_text("rules:\n  b: {watch: in, outptu: out}\n")
    with pytest.raises(ConfigProblems) as raised:
        load("include: b.yml\nrules: {a: {watch: in3, output: out}}")
    assert [problem.place for problem in raised.value.problems] == [f"{tmp_path / 'b.yml'}:2:18"]


def test_two_rules_are_equal_when_they_do_the_same(load: Load) -> None:
    one = load("rules: {a: {watch: /in, output: /out}}").rules
    other = load("# moved\n\nrules:\n  a:\n    output: {folder: /out}\n    watch: [/in]\n").rules
    assert one == other
    assert one[0].origins["watch"] != other[0].origins["watch"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [("photos", "photos"), ("照片", "照片"), ("no", "no"), ("012", "012"), ("my own", "my own")],
)
def test_a_rule_may_have_any_plain_name(load: Load, written: str, expected: str) -> None:
    assert load(f"rules: {{{written}: {{watch: /in, output: /out}}}}").rules[0].name == expected


def test_names_that_are_always_the_same_are_noted(load: Load) -> None:
    settings = load("rules: {a: {watch: in, output: {folder: out, name: 'x.{ext}'}}}")
    assert "every result gets this one name" in [note.message for note in settings.notices]


def test_the_default_include_knows_the_usual_files() -> None:
    assert {"*.jpg", "*.jpeg", "*.png", "*.webp", "*.tif", "*.tiff"} <= set(DEFAULT_INCLUDE)


def test_a_path_that_is_not_utf_8_comes_from_a_variable(load: Load) -> None:
    raw = os.fsdecode(b"/in/\xff\x80\xe9")
    settings = load("rules: {a: {watch: $IN, output: $IN/../o}}", environment={"IN": raw})
    (rule,) = settings.rules
    assert os.fsencode(rule.roots[0]) == b"/in/\xff\x80\xe9"
    assert rule.delivery.folder == Path("/in/o")


def test_halves_of_a_character_are_joined_as_json_writes_them(load: Load) -> None:
    (rule,) = load(r'{"rules": {"a": {"watch": "/\ud83d\ude00", "output": "/o"}}}').rules
    assert rule.roots == (Path("/\U0001f600"),)
    with pytest.raises(ConfigProblems, match="1:27: error: half a character"):
        load(r'{"rules": {"a": {"watch": "/\ud83d", "output": "/o"}}}')


@pytest.mark.parametrize(
    ("written", "wanted"),
    [("true", "all"), ("false", "none"), ("failures", "failures"), ('"${N:-true}"', "all")],
)
def test_the_desktop_is_told_as_wished(load: Load, written: str, wanted: str) -> None:
    settings = load(f"notifications: {written}\nrules: {{a: {{watch: in, output: out}}}}")
    assert settings.notifications == wanted


def test_a_wish_without_sense_names_those_that_there_are(load: Load) -> None:
    with pytest.raises(ConfigProblems, match="write true, false or failures"):
        load("notifications: loud\nrules: {a: {watch: in, output: out}}")


def test_tags_of_compose_replace_and_take_out(load: Load) -> None:
    base = """\
        device: cpu
        rules:
          a:
            watch: [in, more]
            include: ["*.png"]
            exclude: [raw]
            when: {gray: true, size: {max: 1MB}}
            output: {folder: out, quality: 90, name: "{stem}_a.{ext}"}
            priority: 3
          b: {watch: b, output: out}
        """
    top = """\
        device: !reset
        rules:
          a:
            watch: !override [else]
            include: ["*.jpg"]
            exclude: !reset []
            when: !override {alpha: true}
            output: !override /results
            priority: !override 4
          b: !reset null
        """
    settings = load(base, top)
    (rule,) = settings.rules
    assert [root.name for root in rule.roots] == ["else"]
    assert (rule.include, rule.exclude) == (("*.png", "*.jpg"), ())
    assert rule.when == Conditions(alpha=True)
    assert rule.delivery.folder == Path("/results")
    assert rule.recipe.output.quality is None
    assert rule.delivery.name == "{stem}_{scale}x.{ext}"
    assert (settings.device, rule.priority) == ("auto", 4)
    again = "rules: {b: {watch: again, output: out}}"
    assert [rule.name for rule in load(base, top, again).rules] == ["a", "b"]
