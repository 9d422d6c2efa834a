"""`hooks:` of a rule: read, completed, and shown again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from upscaled.config.problems import ConfigProblems
from upscaled.config.settings import NO_HOOKS, Hooks, Settings
from upscaled.config.show.settings_text import settings_tree, tree_text

Load = Callable[..., Settings]


def hooks(load: Load, text: str) -> Hooks:
    settings = load(f"rules:\n  a:\n    watch: in\n    output: out\n    hooks: {text}\n")
    again = load(tree_text(settings_tree(settings)))
    assert again.rules[0].hooks == settings.rules[0].hooks
    return settings.rules[0].hooks


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", NO_HOOKS),
        ("", NO_HOOKS),
        ("{on_done: notify-send 'a picture' done}",
         Hooks(on_done=("notify-send", "a picture", "done"))),
        ("{on_failed: [sh, -c, 'echo \"$$UPSCALED_FILE\"']}",
         Hooks(on_failed=("sh", "-c", 'echo "$UPSCALED_FILE"'))),
        ("{on_idle: ~/bin/tell ~/x, timeout: 2m}",
         Hooks(on_idle=("/home/me/bin/tell", "~/x"), timeout_s=120)),
    ],
)  # fmt: skip
def test_commands_are_read_and_shown_again(load: Load, text: str, expected: Hooks) -> None:
    assert hooks(load, text) == expected


def test_a_program_beside_the_configuration_is_meant_from_there(load: Load, tmp_path: Path) -> None:
    assert hooks(load, "{on_done: ./tell x}").on_done == (str(tmp_path / "tell"), "x")


def test_hooks_of_defaults_hold_where_a_rule_does_not_say_otherwise(load: Load) -> None:
    settings = load("""\
        defaults: {hooks: {on_done: a, on_failed: b}}
        rules:
          one: {watch: in, output: out}
          two: {watch: in2, output: out, hooks: {on_done: c}}
        """)
    assert [rule.hooks.on_done for rule in settings.rules] == [("a",), ("c",)]
    assert [rule.hooks.on_failed for rule in settings.rules] == [("b",), ("b",)]


WRITE_A_LIST = "write a list: [program, argument]"
NO_COMMAND = "5:22: error: a command is text, or a list of texts (write [program, argument])"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '{on_done: "it\'s"}',
            f"5:22: error: 'it's' is not a command: no closing quotation ({WRITE_A_LIST})",
        ),
        ("{on_done: []}", NO_COMMAND),
        ("{on_done: [1]}", NO_COMMAND),
        ("{on_done: 5}", NO_COMMAND),
        (
            "{on_dnoe: x}",
            "5:13: error: unknown key 'on_dnoe' in rules.a.hooks (did you mean 'on_done'?)",
        ),
        ("{on_done: x, timeout: 0}", "5:34: error: 'timeout' is at least 0.1s"),
        ("x", "5:12: error: 'hooks' is a mapping ('key: value' lines), not 'x'"),
    ],
)
def test_what_cannot_be_a_hook_is_told_with_its_place(
    load: Load, tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(ConfigProblems) as raised:
        hooks(load, text)
    assert [p.line_form() for p in raised.value.problems] == [f"{tmp_path / 'upscaled.yml'}:{said}"]
