"""The entry point: which commands there are, and what becomes of errors."""

import contextlib
import difflib
import importlib
import io
import os
import sys
from typing import Any

import click

import upscaled
from upscaled import log
from upscaled.errors import ExitCode, UpscaledError

# Loaded when they are used: `status` has to answer in a moment. Name → module of that command,
# in the order of `--help`.
_COMMANDS = {
    "up": "up",
    "down": "down",
    "status": "status",
    "run": "run",
    "show": "show",
    "retry": "control",
    "pause": "control",
    "resume": "control",
    "scan": "control",
    "reload": "control",
    "config": "config",
    "models": "models",
    "service": "service",
    "doctor": "doctor",
    "bench": "bench",
    "completion": "completion",
}
_GROUPS = {"config", "models", "service"}


class Commands(click.Group):
    """Imports a command's module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (click's signature)
        module_name = _COMMANDS.get(cmd_name)
        if module_name is None:
            return None
        module = importlib.import_module(f"upscaled.cli.commands.{module_name}")
        attribute = f"{cmd_name}_group" if cmd_name in _GROUPS else f"{cmd_name}_command"
        command: click.Command = getattr(module, attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            if not close:
                raise
            text = f"{error.message} Did you mean {close[0]!r}?"
            raise click.UsageError(text, ctx) from error


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: upscaled up, then drop images into ~/Upscale/inbox.",
)
@click.version_option(upscaled.__version__, "-V", "--version", message="%(prog)s %(version)s")
def cli() -> None:
    """Watch folders and upscale the images that are dropped into them."""


def main() -> None:
    """Run the command line; every error becomes a line that says what to do, and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal of 1990 knows no arrows: they become escapes, not a traceback.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:  # noqa: PLR0911 (a table: an error, a return)
    """The exit code; nothing is raised that could be foreseen."""
    try:
        result: Any = cli.main(arguments, prog_name="upscaled", standalone_mode=False)
    except UpscaledError as error:
        _tell(f"upscaled: {error.message}", error.hint)
        return error.exit_code
    except click.ClickException as error:
        return _tell_click(error)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except (BrokenPipeError, SystemExit):
        # The reader (`| head`) has had enough; click and rich make an exit of it.
        _drop_output()
        return ExitCode.OK
    except OSError as error:
        _drop_output()
        name = f" {error.filename}" if error.filename else ""
        _tell(f"upscaled:{name} {error.strerror or error}", "check permissions and free space")
        return ExitCode.ERROR
    except RuntimeError:
        # So pathlib and platformdirs say that a user without $HOME is in no password file.
        if os.path.expanduser("~") != "~":  # noqa: PTH111 (pathlib's raises)
            raise
        _tell("upscaled: there is no home folder", "set $HOME")
        return ExitCode.USAGE
    return result if isinstance(result, int) else ExitCode.OK


def _drop_output() -> None:
    """What is buffered for stdout must not fail again at exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell_click(error: click.ClickException) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
    elif isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "upscaled"
        _tell(f"upscaled: {error.format_message()}", f"{path} --help")
    else:
        _tell(f"upscaled: {error.format_message()}", None)
        return ExitCode.ERROR
    return ExitCode.USAGE


def _tell(message: str, hint: str | None) -> None:
    with contextlib.suppress(OSError, ValueError):
        # A file's name in a message must not colour the terminal, nor forge a line.
        click.echo("\n".join(map(log.escape, message.splitlines())), err=True)
        if hint:
            click.echo(f"  → {log.escape(hint)}", err=True)
