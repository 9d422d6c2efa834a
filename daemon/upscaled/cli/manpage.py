"""The man page, generated from the commands: `make man` writes `docs/upscaled.1` with it.

    python -m upscaled.cli.manpage > upscaled.1

Markup: groff_man(7). What click shows as `--help` is said here in the same words.
"""

import inspect
import sys
from collections.abc import Iterator

import click

import upscaled
from upscaled.cli.group import cli
from upscaled.errors import ExitCode

_EXIT = {
    ExitCode.OK: "All was done.",
    ExitCode.ERROR: "Something went wrong; standard error says what, and what to do.",
    ExitCode.USAGE: "The command line was not understood.",
    ExitCode.NOT_RUNNING: "No daemon runs.",
    ExitCode.DEGRADED: "It works, and something is wrong (status --check, doctor).",
    ExitCode.TEMPFAIL: "Not now; trying again later may help.",
    ExitCode.CONFIG: "The configuration cannot be used; systemd does not restart on it.",
    ExitCode.INTERRUPTED: "Ctrl-C.",
}
_FILES = {
    "$XDG_CONFIG_HOME/upscaled/upscaled.yml": "The configuration, unless --config names another.",
    "$XDG_STATE_HOME/upscaled/": "The job database and the daemon's lock.",
    "$XDG_DATA_HOME/upscaled/models/": "Models.",
    "$XDG_RUNTIME_DIR/upscaled/control.sock": "Where the daemon takes orders.",
    "$XDG_DATA_HOME/systemd/user/upscaled.service": "The unit that service install writes.",
}
_ENVIRONMENT = {
    "UPSCALED_CONFIG": "The configuration file, where --config names none.",
    "XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_DATA_HOME, XDG_RUNTIME_DIR": "See FILES.",
    "HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE": "How the Hugging Face hub is reached.",
    "NO_COLOR": "Set to anything: no colours.",
}


def render() -> str:
    """The whole page."""
    return "\n".join(_page()) + "\n"


def commands(
    group: click.Group = cli, context: click.Context | None = None
) -> Iterator[tuple[click.Context, click.Command]]:
    """Every command that a person can type, groups before what is in them."""
    context = context or click.Context(group, info_name="upscaled")
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        yield inner, command
        if isinstance(command, click.Group):
            yield from commands(command, inner)


def _page() -> Iterator[str]:
    yield f'.TH UPSCALED 1 "" "upscaled {upscaled.__version__}" "User Commands"'
    yield ".SH NAME"
    yield r"upscaled \- watch folders and upscale the images that are dropped into them"
    yield ".SH SYNOPSIS"
    yield r".B upscaled"
    yield r".I COMMAND"
    yield r"[\fIOPTION\fR]... [\fIARGUMENT\fR]..."
    yield ".SH DESCRIPTION"
    yield _text("Drop an image into ~/Upscale/inbox. A moment later it is in ~/Upscale/outbox,")
    yield _text("four times larger. Start with: upscaled up.")
    yield ".SH COMMANDS"
    for context, command in commands():
        yield from _command(context, command)
    yield from _listed("EXIT STATUS", {str(int(code)): said for code, said in _EXIT.items()})
    yield from _listed("FILES", _FILES)
    yield from _listed("ENVIRONMENT", _ENVIRONMENT)
    yield ".SH SEE ALSO"
    yield r".BR systemctl (1),"
    yield r".BR journalctl (1)"


def _command(context: click.Context, command: click.Command) -> Iterator[str]:
    pieces = command.collect_usage_pieces(context)
    yield f'.SS "{_text(" ".join([context.command_path, *pieces]))}"'
    yield from _paragraphs(inspect.cleandoc(command.help or command.short_help or ""))
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in parameter.opts:
            yield ".TP"
            yield rf"\fB{_text(record[0])}\fR"
            yield _text(record[1])


def _paragraphs(text: str) -> Iterator[str]:
    """Those that click is told not to wrap (a backspace before them) are examples."""
    for number, paragraph in enumerate(text.split("\n\n")):
        if paragraph.startswith("\b\n"):
            yield ".PP"
            yield ".EX"
            yield from map(_text, paragraph.splitlines()[1:])
            yield ".EE"
        else:
            if number:
                yield ".PP"
            yield _text(" ".join(paragraph.split()))


def _listed(title: str, rows: dict[str, str]) -> Iterator[str]:
    yield f".SH {_text(title)}"
    for word, meaning in rows.items():
        yield ".TP"
        yield rf"\fB{_text(word)}\fR"
        yield _text(meaning)


def _text(line: str) -> str:
    """Backslashes, hyphens that are to be copied, quotes, and dots that would be requests."""
    for character, written in (("\\", r"\e"), ("-", r"\-"), ('"', r"\(dq"), ("'", r"\(aq")):
        line = line.replace(character, written)
    line = "".join(c if c.isascii() else rf"\[u{ord(c):04X}]" for c in line)
    return rf"\&{line}" if line.startswith(".") else line


if __name__ == "__main__":
    sys.stdout.write(render())
