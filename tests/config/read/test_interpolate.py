import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upscaled.config.read.dotenv import variables
from upscaled.config.read.interpolate import Unfilled, expand
from upscaled.config.settings import Settings
from upscaled.config.tree import Text

Load = Callable[..., Settings]

ELSEWHERE = "has a meaning only in components and workflows"
KNOWN = {"A": "a", "EMPTY": "", "B_2": "b", "WORD": "x}y"}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("$A", "a"),
        ("${A}", "a"),
        ("x${A}y$B_2-z", "xayb-z"),
        ("${A:-d}", "a"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${NONE:-d}", "d"),
        ("${NONE-d}", "d"),
        ("${NONE:-}", ""),
        ("${NONE:-~/in}", "~/in"),
        ("${A:?m}", "a"),
        ("${EMPTY?m}", ""),
        ("${A:+alt}", "alt"),
        ("${EMPTY:+alt}", ""),
        ("${EMPTY+alt}", "alt"),
        ("${NONE+alt}", ""),
        ("${NONE:-${ALSO:-${A}}}", "a"),
        ("${NONE:-${A}/${B_2}}", "a/b"),
        ("${WORD}", "x}y"),
        ("$$A", "$A"),
        ("$${A}", "${A}"),
        ("$$$A", "$a"),
        ("cost $5 and $", "cost $5 and $"),
        ("${env.A}", "a"),
        ("${env.NONE | d}", "d"),
        ("${env.EMPTY|d}", "d"),
        ("${ A }", "a"),
    ],
)
def test_a_variable_is_filled_in(written: str, value: str) -> None:
    assert expand(written, KNOWN) == value


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("${NONE}", "the variable NONE is not set"),
        ("$NONE", "the variable NONE is not set"),
        ("${env.NONE}", "the variable NONE is not set"),
        ("${NONE:?the disk is not there}", "the disk is not there"),
        ("${EMPTY:?the disk is not there}", "the disk is not there"),
        ("${NONE?}", "the variable NONE is not set"),
        ("${A", "'${' without its '}'"),
        ("${NONE:-${A}", "'${' without its '}'"),
        ("${}", "'${}' is not a variable"),
        ("${A!}", "'${A!}' is not a variable"),
        ("${input.image as image}", f"'${{input.image as image}}' {ELSEWHERE}"),
        ("${upscale.output}", f"'${{upscale.output}}' {ELSEWHERE}"),
    ],
)  # fmt: skip
def test_what_cannot_be_filled_in_says_why(written: str, message: str) -> None:
    with pytest.raises(Unfilled) as raised:
        expand(written, KNOWN)
    assert str(raised.value) == message


def test_nothing_in_a_value_is_filled_in_again() -> None:
    assert expand("${X}", {"X": "${A} $A $$"}) == "${A} $A $$"


@given(st.text(alphabet="${}:-+?|AB. env\n", max_size=40))
def test_any_text_is_filled_in_or_refused(text: str) -> None:
    with contextlib.suppress(Unfilled):
        assert isinstance(expand(text, KNOWN), str)


@given(st.text())
def test_doubled_dollars_give_the_text_itself(text: str) -> None:
    assert expand(text.replace("$", "$$"), {}) == text


REFERENCES = (
    "${input.image as image} ${jobs.a.output} ${a.output} ${item} ${input.images[${index}]}"
)


def test_references_stay_as_they_are_in_components_and_workflows(load: Load) -> None:
    settings = load(
        f"""
        component:
          image: "{REFERENCES}"
          model: ${{MODEL:-realesr-animevideov3}}
        workflow: {{jobs: [{{input: "{REFERENCES}"}}]}}
        rules: {{a: {{watch: in, output: out}}}}
        """
    )
    assert settings.rules[0].recipe.model == "realesr-animevideov3"


def test_a_variable_in_any_kind_of_value(load: Load) -> None:
    settings = load(
        """
        keep_alive: ${KEEP}
        rules:
          a:
            watch: [$IN, "${IN}2"]
            output: {folder: out, quality: $Q, format: jpeg}
            recursive: ${DEEP}
            priority: ${P:--3}
        """,
        environment={"KEEP": "90", "IN": "/in", "Q": "80", "DEEP": "no"},
    )
    (rule,) = settings.rules
    assert settings.keep_alive_s == 90
    assert rule.roots == (Path("/in"), Path("/in2"))
    assert (rule.recipe.output.quality, rule.recursive, rule.priority) == (80, False, -3)


def test_keys_are_left_alone(load: Load) -> None:
    assert load("rules: {'$A': {watch: in, output: out}}").rules[0].name == "$A"


def dotenv(text: str) -> tuple[dict[str, str], list[str]]:
    found, problems = variables(Text(Path("/x/.env"), ".env", text), {"HOME": "/home/me"})
    return found, [problem.line_form() for problem in problems]


def test_a_dotenv_file_is_read_as_compose_reads_it() -> None:
    found, problems = dotenv(
        "\n".join([  # noqa: FLY002  one line of the file each
            "# comment",
            "A=1",
            "export B = two words  # comment",
            "C='single $A'",
            'D="double ${A}\\n\\"$$"',
            "E=${HOME}/in",
            "F=http://x/#y",
            "G=",
            "HOME",
            "NOWHERE_SET",
            "",
        ])
    )  # fmt: skip
    assert problems == []
    assert found == {
        "A": "1",
        "B": "two words",
        "C": "single $A",
        "D": 'double 1\n"$',
        "E": "/home/me/in",
        "F": "http://x/#y",
        "G": "",
        "HOME": "/home/me",
    }


def test_a_broken_dotenv_is_told_with_its_place() -> None:
    _, problems = dotenv("A=1\n  what is this\nB='open\nC=${NONE}\n")
    assert problems == [
        ".env:2:3: error: a line of .env is NAME=VALUE (or a # comment)",
        ".env:3:1: error: a ' that is never closed (close it on the same line)",
        ".env:4:1: error: the variable NONE is not set (set it, or give a default: ${NONE:-…})",
    ]


RULE = "rules: {a: {watch: /$WHO, output: out}}"


def test_variables_come_from_overrides_then_environment_then_files(
    load: Load, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("WHO=dotenv\n")
    more = tmp_path / "more.env"
    more.write_text("WHO=file\n")

    def who(**how: Any) -> str:
        return load(RULE, **how).rules[0].roots[0].name

    assert who() == "dotenv"
    assert who(environment={"WHO": "environment"}) == "environment"
    assert who(env_files=[more]) == "file"
    assert who(environment={"WHO": "environment"}, overrides={"WHO": "override"}) == "override"
