"""`upscaled add`: files into a rule's queue, where they lie."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from upscaled.cli.completers import complete_rules
from upscaled.cli.input_files import expand
from upscaled.cli.options import config_option
from upscaled.control.client import ask
from upscaled.control.protocol import MAX_REQUEST_BYTES, Request
from upscaled.dirs import find_dirs
from upscaled.errors import UsageError
from upscaled.text import escape

_MOST_BYTES = MAX_REQUEST_BYTES // 2


@click.command("add", short_help="Queue files without moving them.")
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "-r",
    "--rule",
    default="",
    help="The rule to queue them for, if there are several.",
    shell_complete=complete_rules,
)
@config_option
def add_command(files: tuple[Path, ...], rule: str, config: tuple[Path, ...]) -> None:  # noqa: ARG001 (each command takes it)
    """Queue files by a rule, without copying them into its inbox. The files are kept.

    Results go where the rule's results go. Folders, patterns and a list on stdin (`-`) will do.

    \b
    Example:
      upscaled add ~/Pictures/holiday.jpg --rule photos
      find ~/Pictures -newer stamp -print0 | upscaled add - --rule photos
    """
    paths = [named.path.resolve() for named in expand(files)]
    if not paths:
        raise UsageError("no images there", hint="name image files, or folders that hold some")
    queued, gone, folder = 0, 0, ""
    for part in _parts(list(map(str, paths))):
        reply = ask(find_dirs(), Request("add", {"files": part, "rule": rule}))
        queued += sum(job is not None for job in reply["jobs"])
        gone += sum(job is None for job in reply["jobs"])
        folder = reply["output"]
        for path, job in zip(part, reply["jobs"], strict=True):
            if job is not None and len(paths) <= 20:  # noqa: PLR2004 (a screen of lines)
                click.echo(f"{job} {escape(path)}")
    click.echo(f"{queued} queued; results go to {escape(folder)}", err=True)
    if gone:
        raise UsageError(f"{gone} went away meanwhile", hint="check the names")


def _parts(files: Sequence[str]) -> Iterator[list[str]]:
    """As many at a time as one request may hold."""
    part: list[str] = []
    length = 0
    for file in files:
        cost = len(json.dumps(file)) + 2
        if part and length + cost > _MOST_BYTES:
            yield part
            part, length = [], 0
        part.append(file)
        length += cost
    if part:
        yield part
