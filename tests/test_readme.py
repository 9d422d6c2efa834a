"""What the README tells people to type works.

Each line of its `sh` blocks is looked up: `upscaled` lines against the real command line, `make`
lines in the Makefile. The block under "Try it" is run for real.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from support.command_lines import ROOT, objection

README = (ROOT / "README.md").read_text(encoding="utf-8")
NOT_OURS = frozenset({"cp", "journalctl", "loginctl", "mkdir", "pipx", "python3", "systemctl"})


class Line(NamedTuple):
    number: int
    section: str
    text: str


def read_lines(markdown: str) -> list[Line]:
    """Each command in the `sh` blocks, with the heading it stands under."""
    found, section, inside = [], "", False
    for number, text in enumerate(markdown.splitlines(), start=1):
        if text.startswith("```"):
            inside = text == "```sh"
        elif inside and text.strip():
            found.append(Line(number, section, text.partition(" # ")[0].strip()))
        elif text.startswith("## "):
            section = text.removeprefix("## ")
    return found


LINES = read_lines(README)


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"README.md:{line.number}")
def test_each_command_can_be_typed_as_it_stands(line: Line) -> None:
    assert objection(line.text, not_ours=NOT_OURS) is None


@pytest.mark.parametrize(
    "text",
    [
        "upscaled upp",
        "upscaled up --confg x",
        "upscaled service",
        "upscaled models pul x",
        "make tset",
        "sudo rm",
    ],
)
def test_a_command_that_does_not_exist_is_noticed(text: str) -> None:
    assert objection(text)


def test_the_two_commands_come_first() -> None:
    assert [line.text for line in LINES[:2]] == ["make demo", "make test"]


@pytest.mark.usefixtures("models_at_home")
def test_what_is_to_be_tried_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "tests" / "data", tmp_path / "tests" / "data")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    lines = [line.text for line in LINES if line.section == "Try it"]
    assert lines

    for line in lines:
        ran = subprocess.run(
            ["sh", "-c", line],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert (line, ran.returncode) == (line, 0), ran.stderr

    assert [file.name for file in (tmp_path / "larger").iterdir()] == ["astronaut_4x.png"]
