"""What several commands share."""

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from upscaled.dirs import Dirs, find_dirs
from upscaled.errors import ConfigError, UpscaledError

if TYPE_CHECKING:
    # pydantic stands behind it, and dataclasses that cost 30 ms.
    from upscaled.config.settings import Settings

CONFIG_VARIABLE = "UPSCALED_CONFIG"

_SAY_MORE = {("config", "check"), ("config", "show")}
"""They tell of a file that is not there as of all else that is wrong with it."""

F = TypeVar("F", bound=Callable[..., Any])


def _existing(
    context: click.Context, _parameter: click.Parameter, files: tuple[Path, ...]
) -> tuple[Path, ...]:
    """A file that was named is there, also where nothing is read from it."""
    above = context.parent.command.name if context.parent else None
    if (above, context.command.name) not in _SAY_MORE:
        for file in files:
            if not file.exists():
                raise ConfigError(
                    f"{file}: there is no such configuration",
                    hint=f"upscaled config init --config {shlex.quote(str(file))}",
                )
    return files


def config_option(command: F) -> F:
    """`-c/--config FILE`, repeatable; passes `config: tuple[Path, ...]`."""
    return click.option(
        "-c",
        "--config",
        "config",
        type=click.Path(path_type=Path, dir_okay=False),
        multiple=True,
        callback=_existing,
        metavar="FILE",
        help=f"Configuration file; several are merged.  [default: ${CONFIG_VARIABLE}, "
        "else ~/.config/upscaled/upscaled.yml]",
    )(command)


def unread_config_option(command: F) -> F:
    """`--config` where nothing is read from it: a script can give it to every command."""
    return click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path),
        multiple=True,
        callback=_existing,
        metavar="FILE",
        expose_value=False,
        help="Accepted for consistency; not needed by this command.",
    )(command)


def json_option(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="JSON for programs.")(command)


def load_settings(config: tuple[Path, ...], dirs: Dirs | None = None) -> "Settings":
    """What the files say, or the defaults.

    Raises:
        ConfigError: with all that is wrong with them.
    """
    # Here, not above: `upscaled --version` and `status` should not load pydantic.
    from upscaled.config.find import config_files  # noqa: PLC0415
    from upscaled.config.load import default_settings, load_config  # noqa: PLC0415

    files = config_files(config, os.environ, (dirs or find_dirs()).config_file)
    if not files:
        return default_settings(Path.home())
    return load_config(
        files,
        environment=os.environ,
        check_model=check_model,
        model_scale=model_scale,
        model_notice=model_notice,
    )


def check_model(ref: str) -> str | None:
    """What is wrong with a model's name, for `load_config`; a second line is the hint."""
    from upscaled.models.model_reference import resolve  # noqa: PLC0415 (as above)

    try:
        resolve(ref)
    except UpscaledError as error:
        return f"{error.message}\n{error.hint}" if error.hint else error.message
    return None


def model_scale(ref: str) -> int | None:
    """The scale of a model of the catalogue; None: only its file says."""
    from upscaled.models.model_reference import resolve  # noqa: PLC0415 (as above)

    try:
        model = resolve(ref).model
    except UpscaledError:
        return None
    return None if model is None else model.scale


def model_notice(ref: str) -> str | None:
    """What is used instead of a name that does not exist, for `load_config`."""
    from upscaled.models.model_reference import resolve  # noqa: PLC0415 (as above)

    try:
        return resolve(ref).notice
    except UpscaledError:
        return None
