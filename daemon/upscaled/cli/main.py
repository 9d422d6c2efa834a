"""The entry point: what becomes of errors. Light: `--version` has to answer in a moment."""

import contextlib
import gc
import io
import os
import sys
from typing import TYPE_CHECKING, Any

import upscaled
from upscaled.errors import ExitCode, UpscaledError

if TYPE_CHECKING:
    import click


_GARBAGE_AFTER = 50_000
"""Objects, instead of 700: what is imported stays, and a tenth of a command's time went into
looking for garbage among it."""


def main() -> None:
    """Run the command line; every error becomes a line that says what to do, and an exit code."""
    gc.set_threshold(_GARBAGE_AFTER)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal of 1990 knows no arrows: they become escapes, not a traceback.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:  # noqa: PLR0911 (a table: an error, a return)
    """The exit code; nothing is raised that could be foreseen."""
    if arguments in (["--version"], ["-V"]):
        return _tell_version()
    try:
        return _run(arguments)
    except UpscaledError as error:
        from upscaled.cli.hint_text import with_config  # noqa: PLC0415 (click, see `_run`)

        _tell(f"upscaled: {error.message}", error.hint and with_config(error.hint, arguments))
        return error.exit_code
    except KeyboardInterrupt:
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


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["status"]:
        from upscaled.cli.fast_status import glance_plainly, is_plain  # noqa: PLC0415 (not for others)

        if is_plain(arguments):
            return glance_plainly(arguments)
    # click takes longer to load than a status takes to be told.
    import click  # noqa: PLC0415

    from upscaled.cli.group import cli  # noqa: PLC0415

    try:
        result: Any = cli.main(arguments, prog_name="upscaled", standalone_mode=False)
    except click.ClickException as error:
        return _tell_click(error)
    except click.exceptions.Abort:
        return ExitCode.INTERRUPTED
    return result if isinstance(result, int) else ExitCode.OK


def _drop_output() -> None:
    """What is buffered for stdout must not fail again at exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell_version() -> int:
    try:
        sys.stdout.write(f"upscaled {upscaled.__version__}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
    except OSError as error:
        _drop_output()
        _tell(f"upscaled: {error.strerror}", None)
        return ExitCode.ERROR
    except (AttributeError, ValueError):  # closed
        pass
    return ExitCode.OK


def _tell_click(error: "click.ClickException") -> int:
    import click  # noqa: PLC0415 (see `_run`)

    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
    elif isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "upscaled"
        # click sets choices one below the other, with tabs.
        _tell(f"upscaled: {' '.join(error.format_message().split())}", f"{path} --help")
    else:
        _tell(f"upscaled: {error.format_message()}", None)
        return ExitCode.ERROR
    return ExitCode.USAGE


def _tell(message: str, hint: str | None) -> None:
    with contextlib.suppress(OSError, ValueError):
        import click  # noqa: PLC0415 (see `_run`)

        from upscaled import log  # noqa: PLC0415 (see `_run`)

        # A file's name in a message must not colour the terminal, nor forge a line.
        click.echo("\n".join(map(log.escape, message.splitlines())), err=True)
        if hint:
            click.echo(f"  → {log.escape(hint)}", err=True)
