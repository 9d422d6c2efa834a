"""Whether a command can be typed as it is written in a README, a help text or a man page."""

import re
import shlex
from pathlib import Path

import click

from upscaled.cli.group import cli

ROOT = Path(__file__).parents[2]


def objection(text: str, *, not_ours: frozenset[str] = frozenset()) -> str | None:
    """Why the command cannot be typed as it stands, or None. `not_ours`: other programs."""
    program, *words = shlex.split(text.partition("|")[0].partition(">")[0])
    if program == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return None if set(words) <= set(targets) else f"no such target: {words}"
    if program != "upscaled":
        return None if program in not_ours else f"what is {program}?"
    command: click.Command = cli
    context = click.Context(command, info_name=program)
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        inner = command.get_command(context, words[0])
        if inner is None:
            return f"no such command: {context.command_path} {words[0]}"
        command, context = inner, click.Context(inner, parent=context, info_name=words.pop(0))
    if isinstance(command, click.Group) and not words:
        return f"{context.command_path} needs a command"
    options = {name for parameter in command.get_params(context) for name in parameter.opts}
    unknown = {word.partition("=")[0] for word in words if word.startswith("-")} - options
    return f"{context.command_path} has no {sorted(unknown)}" if unknown else None
