"""Help, man page, completion and the commands themselves say the same."""

import re
import shutil
import subprocess

import click
import pytest
from click.shell_completion import ShellComplete

from support.command_lines import ROOT, objection
from upscaled.cli.group import cli
from upscaled.cli.manpage import commands, render

PAGE = ROOT / "docs" / "upscaled.1"
ALL = {context.command_path: (context, command) for context, command in commands()}
LEAVES = [path for path, (_, command) in ALL.items() if not isinstance(command, click.Group)]


def examples(path: str) -> list[str]:
    """The lines below "Example:" in the help of a command."""
    _, _, text = (ALL[path][1].help or "").partition("Example")
    return [line.strip() for line in text.splitlines()[1:] if line.strip()]


def headings(page: str) -> list[str]:
    """The commands of a man page, without their arguments."""
    found = [line.replace(r"\-", "-") for line in re.findall(r'^\.SS "(.*)"$', page, re.MULTILINE)]
    return [re.match(r"[a-z -]*[a-z]", line)[0] for line in found]  # type: ignore[index]


@pytest.mark.parametrize("path", ALL)
def test_each_command_says_what_it_does_in_a_line(path: str) -> None:
    context, command = ALL[path]
    short = command.get_short_help_str(60)
    assert short
    assert not short.endswith("..."), f"give {path} a short_help"
    assert command.get_help(context)


@pytest.mark.parametrize("path", LEAVES)
def test_the_help_of_each_command_has_an_example_that_can_be_typed(path: str) -> None:
    lines = examples(path)
    assert any(path in line for line in lines), lines
    typed = [line for line in lines if line.startswith("upscaled")]
    assert {line: objection(line) for line in typed} == dict.fromkeys(typed)


def test_the_man_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text() == render(), "the commands changed: make man"


def test_the_man_page_has_every_command_and_option() -> None:
    page = render().replace(r"\-", "-")
    assert [path for path in ALL if path not in headings(render())] == []
    for context, command in ALL.values():
        for parameter in command.get_params(context):
            missing = [
                name for name in parameter.opts if name.startswith("--") and name not in page
            ]
            assert missing in ([], ["--help"])


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
def test_groff_has_nothing_to_say_about_the_man_page() -> None:
    ran = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8"],
        input=render(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "EXIT STATUS" in re.sub(r"\x1b\[[0-9;]*m|.\x08", "", ran.stdout)


def test_completion_offers_every_command() -> None:
    for group in [path for path in ["upscaled", *ALL] if path not in LEAVES]:
        words = group.split()[1:]
        offered = ShellComplete(cli, {}, "upscaled", "_X").get_completions(words, "")
        below = {path.split()[-1] for path in ALL if path.split()[:-1] == group.split()}
        assert {item.value for item in offered} == below, group


def test_commands_are_listed_in_the_help() -> None:
    text = cli.get_help(click.Context(cli, info_name="upscaled"))
    for path in ALL:
        if path.count(" ") == 1:
            assert re.search(rf"^  {path.split()[1]} ", text, re.MULTILINE), path
