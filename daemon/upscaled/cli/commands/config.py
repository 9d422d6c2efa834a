"""`upscaled config`: what the configuration says, and what is wrong with it."""

import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from upscaled.cli.options import (
    check_model,
    config_option,
    json_option,
    model_scale,
    unread_config_option,
)
from upscaled.config.find import config_files, starter_text
from upscaled.config.load import default_settings, load_config
from upscaled.config.problems import ConfigProblem, ConfigProblems, github_annotation
from upscaled.config.read.gather import gather
from upscaled.config.settings import Settings
from upscaled.config.show.settings_text import origin_lines, settings_tree, tree_text
from upscaled.dirs import find_dirs
from upscaled.errors import ExitCode, UpscaledError, UsageError

SCHEMA_VERSION = 1
SCHEMA_NAME = "upscaled.schema.json"
FORMATS = ("text", "parsable", "github")

env_option = click.option(
    "--env", "-e", "env", metavar="NAME=VALUE", multiple=True, help="A variable for ${NAME}."
)
env_file_option = click.option(
    "--env-file",
    type=click.Path(path_type=Path),
    multiple=True,
    help="File of variables, instead of .env beside the configuration.",
)


@click.group("config")
def config_group() -> None:
    """Look at the configuration.

    \b
    Example:
      upscaled config check
    """


@config_group.command("check")
@config_option
@env_option
@env_file_option
@json_option
@click.option("--format", "form", type=click.Choice(FORMATS), help="parsable: one line each.")
@click.option("--strict", is_flag=True, help="Notices are errors too.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing if nothing is wrong.")
@click.pass_context
def check(
    context: click.Context,
    *,
    config: tuple[Path, ...],
    env: tuple[str, ...],
    env_file: tuple[Path, ...],
    as_json: bool,
    form: str | None,
    strict: bool,
    quiet: bool,
) -> None:
    """Show everything that is wrong, with its line.

    Nothing is started or changed. Exit code 78 where there are errors.

    \b
    Examples:
      upscaled config check
      upscaled config check --config new.yml --format parsable
    """
    files = _files(config)
    settings, problems = _checked(files, env, env_file)
    failed = settings is None or (strict and bool(problems))
    if as_json:
        click.echo(json.dumps(_report(files, settings, problems), indent=2))
    else:
        chosen = form or ("github" if os.environ.get("GITHUB_ACTIONS") == "true" else "text")
        for line in _lines(problems, chosen):
            click.echo(line)
        if chosen == "text" and not (quiet and not problems):
            click.echo(_summary(files, settings, problems), err=settings is None)
    if failed:
        context.exit(ExitCode.CONFIG)


@config_group.command("show", short_help="Show the effective configuration, including defaults.")
@config_option
@env_option
@env_file_option
@json_option
@click.option("--no-interpolate", is_flag=True, help="Leave ${…} as written.")
@click.option("--origin", is_flag=True, help="Show where each value was set.")
def show(
    *,
    config: tuple[Path, ...],
    env: tuple[str, ...],
    env_file: tuple[Path, ...],
    as_json: bool,
    no_interpolate: bool,
    origin: bool,
) -> None:
    """Show the effective configuration, with defaults filled in and absolute paths.

    \b
    Examples:
      upscaled config show
      upscaled config show --origin | grep folder
    """
    files = _files(config)
    if no_interpolate or origin:
        _show_written(
            files, env, env_file, as_json=as_json, filled=not no_interpolate, origin=origin
        )
        return
    settings = _loaded(files, env, env_file)
    shown = settings_tree(settings)
    if as_json:
        click.echo(json.dumps({"schema_version": SCHEMA_VERSION, **shown}, indent=2))
    else:
        click.echo(tree_text(shown), nl=False)


@config_group.command("schema")
@unread_config_option
def schema() -> None:
    """Write the JSON schema, for editors.

    \b
    Example:
      upscaled config schema > ~/.config/upscaled/upscaled.schema.json
    """
    click.echo(_schema_text(), nl=False)


@config_group.command("init", short_help="Write a starter configuration.")
@click.option("--config", "-c", type=click.Path(path_type=Path), help="File to write.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(config: Path | None, *, force: bool) -> None:
    """Write a commented configuration to begin with, and its JSON schema beside it.

    \b
    Example:
      upscaled config init
    """
    target = config or find_dirs().config_file
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("w" if force else "x", encoding="utf-8") as file:
            file.write(starter_text())
        # The first line of the configuration leads editors to it: completion without a network.
        target.with_name(SCHEMA_NAME).write_text(_schema_text(), encoding="utf-8")
    except FileExistsError:
        raise UsageError(
            f"{target} exists already", hint="look at it, or replace it with --force"
        ) from None
    except OSError as error:
        raise UpscaledError(
            f"{target} cannot be written: {error.strerror}",
            hint="choose another place: --config FILE",
        ) from error
    click.echo(f"{target}")
    words = f" --config {shlex.quote(str(config))}" if config else ""
    click.echo(f"Change it as you like, then: upscaled config check{words}", err=True)


@config_group.command("path")
@config_option
def path(config: tuple[Path, ...]) -> None:
    """Print which file is read.

    \b
    Example:
      "$EDITOR" "$(upscaled config path)"
    """
    files = _files(config)
    for file in files or (find_dirs().config_file,):
        click.echo(str(file))
    if not files:
        click.echo("It does not exist: the built-in default holds. upscaled config init", err=True)


def _schema_text() -> str:
    from upscaled.config.json_schema import schema_text  # noqa: PLC0415  two commands need it

    return schema_text()


def _files(config: tuple[Path, ...]) -> tuple[Path, ...]:
    return config_files(config, os.environ, find_dirs().config_file)


def _loaded(files: tuple[Path, ...], env: tuple[str, ...], env_file: tuple[Path, ...]) -> Settings:
    if not files:
        return default_settings(Path.home())
    return load_config(
        files,
        environment=os.environ,
        env_files=env_file or None,
        overrides=_overrides(env),
        check_model=check_model,
        model_scale=model_scale,
        model_notice=_notice,
    )


def _checked(
    files: tuple[Path, ...], env: tuple[str, ...], env_file: tuple[Path, ...]
) -> tuple[Settings | None, tuple[ConfigProblem, ...]]:
    try:
        settings = _loaded(files, env, env_file)
    except ConfigProblems as error:
        return None, error.problems
    return settings, settings.notices


def _overrides(env: tuple[str, ...]) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in env]
    wrong = next((name for name, equals, _ in pairs if not (name and equals)), None)
    if wrong is not None:
        raise UsageError(f"-e takes NAME=VALUE, not {wrong!r}", hint="upscaled config check -e A=1")
    return {name: value for name, _, value in pairs}


def _lines(problems: tuple[ConfigProblem, ...], form: str) -> Iterator[str]:
    for problem in problems:
        if form == "github":
            yield github_annotation(problem)
        yield problem.line_form() if form == "parsable" else str(problem)


def _report(
    files: tuple[Path, ...], settings: Settings | None, problems: tuple[ConfigProblem, ...]
) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "valid": settings is not None,
        "files": [str(file) for file in files],
        "rules": [rule.name for rule in settings.rules] if settings else [],
        "problems": [
            {
                "severity": problem.severity,
                "file": problem.file,
                "line": problem.line,
                "column": problem.column,
                "message": problem.message,
                "hint": problem.hint,
            }
            for problem in problems
        ],
    }


def _summary(
    files: tuple[Path, ...], settings: Settings | None, problems: tuple[ConfigProblem, ...]
) -> str:
    shown = ", ".join(map(str, files)) or "no configuration, the built-in default"
    errors = sum(problem.severity == "error" for problem in problems)
    counts = [_count(errors, "error")] if errors else []
    counts += [_count(len(problems) - errors, "notice")] if len(problems) > errors else []
    if settings is not None:
        names = ", ".join(rule.name for rule in settings.rules)
        counts.insert(0, f"valid, {_count(len(settings.rules), 'rule')} ({names})")
    return f"{shown}: {', '.join(counts)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _show_written(
    files: tuple[Path, ...],
    env: tuple[str, ...],
    env_file: tuple[Path, ...],
    *,
    as_json: bool,
    filled: bool,
    origin: bool,
) -> None:
    if not files:
        raise UsageError("there is no configuration yet", hint="upscaled config init")
    gathered = gather(
        files,
        os.environ,
        env_files=env_file or None,
        overrides=_overrides(env),
        interpolated=filled,
    )
    if gathered.problems:
        raise ConfigProblems(gathered.problems)
    if origin:
        for place, key, value in origin_lines(gathered.tree):
            line = {"origin": place, "key": key, "value": value}
            click.echo(json.dumps(line) if as_json else f"{place}\t{key} = {json.dumps(value)}")
        return
    written = settings_tree(gathered.tree)
    click.echo(json.dumps(written, indent=2) if as_json else tree_text(written), nl=as_json)


def _notice(model: str) -> str | None:
    from upscaled.models.model_reference import resolve  # noqa: PLC0415  as in options.py

    return resolve(model).notice
