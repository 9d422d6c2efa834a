"""What version 0.1.0 promised is still there: options, and what each example configuration means.

`tests/data/past/0.1.0.json` was written by its code. What is new may come, nothing may go. Its
databases and recipes: `store/test_earlier_version.py`, `store/test_migrations.py`.
"""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from upscaled.cli.group import cli

ROOT = Path(__file__).parents[1]
PAST = json.loads((ROOT / "tests" / "data" / "past" / "0.1.0.json").read_text(encoding="utf-8"))


def options(command: click.Command, name: str) -> dict[str, set[str]]:
    own = [param for param in command.params if isinstance(param, click.Option)]
    found = {name: {word for param in own for word in (*param.opts, *param.secondary_opts)}}
    if isinstance(command, click.Group):
        context = click.Context(command)
        for inner in command.list_commands(context):
            deeper = command.get_command(context, inner)
            assert deeper is not None
            found |= options(deeper, f"{name} {inner}")
    return found


def test_each_command_has_the_options_it_had() -> None:
    now = options(cli, "upscaled")
    gone = {
        name: sorted(set(words) - now.get(name, set())) for name, words in PAST["options"].items()
    }
    assert {name: words for name, words in gone.items() if words or name not in now} == {}


def without(now: Any, past: Any) -> Any:
    """`now`, less the keys that came since."""
    if isinstance(now, dict) and isinstance(past, dict):
        return {key: without(now[key], value) for key, value in past.items() if key in now}
    if isinstance(now, list) and isinstance(past, list) and len(now) == len(past):
        return [without(one, other) for one, other in zip(now, past, strict=True)]
    return now


@pytest.mark.parametrize("name", PAST["shown"])
def test_each_example_means_what_it_meant(name: str, home: Path) -> None:
    result = CliRunner().invoke(
        cli, ["config", "show", "--json", "--config", str(ROOT / "config" / name)]
    )
    assert result.exit_code == 0, result.output
    text = result.stdout.replace(str(home), "$HOME").replace(str(ROOT / "config"), "$CONFIG")
    past = PAST["shown"][name]
    assert without(json.loads(text), past) == past
