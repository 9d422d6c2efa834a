"""Hints name the configuration that was named."""

from pathlib import Path

import pytest

from upscaled.cli.hint_text import given_config, with_config
from upscaled.cli.main import run


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        ("start it: upscaled up", "start it: upscaled up --config a.yml"),
        ("start it: upscaled up (or: upscaled service install)",
         "start it: upscaled up --config a.yml (or: upscaled service install --config a.yml)"),
        ("then try: upscaled config check", "then try: upscaled config check --config a.yml"),
        ("upscaled run holiday.jpg", "upscaled run --config a.yml holiday.jpg"),
        ("upscaled config init --config b.yml", "upscaled config init --config b.yml"),
        ("upscaled retry 3; upscaled status", "upscaled retry 3; upscaled status"),
        ("journalctl --user -u upscaled says why", "journalctl --user -u upscaled says why"),
        ("upscaled upgrade", "upscaled upgrade"),
    ],
)  # fmt: skip
def test_a_command_that_reads_the_configuration_gets_its_name(hint: str, expected: str) -> None:
    assert with_config(hint, ["why", "-c", "a.yml", "x.png"]) == expected
    assert with_config(hint, ["why", "x.png"]) == hint


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], []),
        (["up", "--config", "a b.yml", "-cb.yml", "--config=c.yml"], ["a b.yml", "b.yml", "c.yml"]),
        (["run", "--", "-c", "x"], []),
        (["up", "-c"], []),
    ],
)
def test_the_files_are_found_as_click_finds_them(words: list[str], expected: list[str]) -> None:
    assert list(given_config(words)) == expected


def test_an_error_says_what_to_type_with_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my rules.yml"
    file.write_text("rules: {photos: {watch: in, output: out}}\n", encoding="utf-8")
    assert run(["run", "--config", str(file)]) == 2
    assert f"  → upscaled run --config '{file}' holiday.jpg" in capsys.readouterr().err
