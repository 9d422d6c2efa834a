"""Configurations that cannot be used, each with all that is said of it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from upscaled.config.load import load_config
from upscaled.config.problems import ConfigProblems

RULE = "rules:\n  photos:\n    watch: in\n    output: out\n"
"""Four valid lines: what follows them begins in line 5."""

CASES = {
    case["name"]: case
    for case in yaml.safe_load(Path(__file__).with_name("broken.yml").read_text(encoding="utf-8"))
}


def complaint(model: str) -> str | None:
    """Stands for the catalogue."""
    known = model == "realesrgan-x4plus" or ":" in model
    return None if known else f"unknown model '{model}'\nupscaled models list"


def scale_of(model: str) -> int | None:
    return 4 if model == "realesrgan-x4plus" else None


def said_of(folder: Path, text: str) -> list[str]:
    file = folder / "upscaled.yml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigProblems) as raised:
        load_config(
            [file],
            environment={"HOME": "/home/me", "INBOX": "x"},
            check_model=complaint,
            model_scale=scale_of,
        )
    assert raised.value.exit_code == 78
    lines = [problem.line_form() for problem in raised.value.problems]
    return [line.removeprefix(f"{file}:").replace(str(folder), "{dir}") for line in lines]


@pytest.mark.parametrize("name", CASES)
def test_a_broken_configuration_is_told_with_its_place(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    assert said_of(tmp_path, case["text"]) == case["says"]


def test_the_line_and_a_caret_stand_below_the_message(tmp_path: Path) -> None:
    file = tmp_path / "upscaled.yml"
    file.write_text("rules:\n  \u7167\u7247: {watch: in, output: out, prio: 1}\n", encoding="utf-8")
    with pytest.raises(ConfigProblems) as raised:
        load_config([file], environment={})
    assert str(raised.value).splitlines() == [
        f"{file}:2:32: error: unknown key 'prio' in rules.\u7167\u7247 (did you mean 'priority'?)",
        "      \u7167\u7247: {watch: in, output: out, prio: 1}",
        # Two columns more than characters: each of the two ideographs is twice as wide.
        "    " + " " * 33 + "^",
    ]


def test_what_cannot_be_shown_never_reaches_the_terminal(tmp_path: Path) -> None:
    said = said_of(tmp_path, RULE + 'device: "\\e[31mred\\n"\n')
    assert said == [
        "5:9: error: '\\x1b[31mred\\n' is not a device (write auto, cpu, cuda, cuda:1 or mps)"
    ]


def test_a_file_that_is_not_utf_8_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "upscaled.yml"
    file.write_bytes(b"rules:\n  caf\xe9: {}\n")
    with pytest.raises(ConfigProblems) as raised:
        load_config([file], environment={})
    assert [problem.line_form() for problem in raised.value.problems] == [
        f"{file}:2:6: error: a byte that is not UTF-8 (save the file as UTF-8)"
    ]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda _: None, "cannot be read: No such file or directory"),
        (lambda file: file.mkdir(), "cannot be read: Is a directory"),
        (
            lambda file: file.write_bytes(b"#" * 1_000_001),
            "larger than 1 MB; is this a configuration?",
        ),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, make: Any, expected: str) -> None:
    file = tmp_path / "upscaled.yml"
    make(file)
    with pytest.raises(ConfigProblems) as raised:
        load_config([file], environment={})
    assert [problem.message for problem in raised.value.problems] == [expected]


def test_aliases_that_grow_without_end_are_refused(tmp_path: Path) -> None:
    lines = ["x-0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    said = said_of(tmp_path, "\n".join(lines))
    assert len(said) == 1
    assert "too many aliases?" in said[0]


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "- " * 5000, "a:\n" * 3])
def test_nesting_without_end_is_refused(tmp_path: Path, text: str) -> None:
    assert len(said_of(tmp_path, text)) >= 1
