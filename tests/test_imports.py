"""The supervisor and the command line start without the weight of the worker."""

import subprocess
import sys

import pytest

HEAVY = ["torch", "torchvision", "spandrel", "numpy", "PIL", "cv2"]

SEEN = f"import sys; print(*[m for m in {HEAVY} if m in sys.modules])"


@pytest.mark.parametrize("module", ["upscaled.cli.main", "upscaled.service.daemon"])
def test_loading_it_loads_nothing_heavy(module: str) -> None:
    command = [sys.executable, "-c", f"import {module}; {SEEN}"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout.split(), ran.stderr) == (0, [], "")


def test_help_of_every_command_loads_nothing_heavy() -> None:
    program = f"""
import click
from upscaled.cli import group as module

def walk(command, context):
    command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            walk(inner, click.Context(inner, parent=context, info_name=name))

root = next(v for v in vars(module).values() if isinstance(v, click.Group))
walk(root, click.Context(root))
{SEEN}
"""
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout.split(), ran.stderr) == (0, [], "")


@pytest.mark.parametrize(
    ("words", "banned"),
    [
        (["--version"], ["click", "logging", "pathlib", "sqlite3"]),
        (
            ["status"],
            ["click", "pydantic", "yaml", "rich.console", "logging", "asyncio", "sqlite_utils"],
        ),
        (
            ["status", "--json"],
            ["click", "pydantic", "yaml", "cattrs", "rich", "asyncio", "sqlite_utils"],
        ),
    ],
)
def test_what_has_to_answer_in_a_moment_loads_little(words: list[str], banned: list[str]) -> None:
    """60 ms for the version, 150 for a status: imports are nearly all of both."""
    program = (
        f"import sys; from upscaled.cli.main import run; run({words});"
        f"print(*[m for m in {banned} if m in sys.modules], file=sys.stderr)"
    )
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.stderr.split() == [], ran.stderr
