"""The command line from outside: exit codes, sentences, and streams that are in a bad way."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

import upscaled
from upscaled.cli.group import COMMANDS, cli
from upscaled.errors import ConfigError
from upscaled.store.jobs import Store

UPSCALED = [sys.executable, "-m", "upscaled"]


def upscale(*words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    defaults = {"capture_output": True, "text": True, "timeout": 60}
    return subprocess.run([*UPSCALED, *words], check=False, **(defaults | options))


def without(*names: str, **more: str) -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key not in names} | more


# Help


def every_command() -> list[tuple[str, click.Command, click.Context]]:
    found: list[tuple[str, click.Command, click.Context]] = []

    def walk(command: click.Command, context: click.Context, path: str) -> None:
        found.append((path, command, context))
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner, name
                walk(inner, click.Context(inner, context, info_name=name), f"{path} {name}")

    walk(cli, click.Context(cli, info_name="upscaled"), "upscaled")
    return found


def test_every_command_is_there() -> None:
    assert {path.split()[1] for path, _, _ in every_command()[1:]} == set(COMMANDS)


def test_a_configuration_that_is_not_there_is_an_error_for_every_command(tmp_path: Path) -> None:
    missing = tmp_path / "none.yml"
    for path, command, _ in every_command():
        words = path.split()[1:]
        # Two say more of it, and one makes it.
        if isinstance(command, click.Group) or words[1:] in (["check"], ["show"], ["init"]):
            continue
        with pytest.raises(ConfigError) as raised:
            cli.main([*words, "--config", str(missing)], standalone_mode=False)
        assert str(missing) in raised.value.message, path


def test_the_help_of_every_command_has_an_example_that_names_it() -> None:
    for path, command, context in every_command():
        if isinstance(command, click.Group):
            continue
        text = command.get_help(context)
        assert "Example" in text, path
        assert path in text.partition("Example")[2], path


def test_every_command_says_in_a_line_what_it_is_for() -> None:
    for path, command, _ in every_command()[1:]:
        line = command.get_short_help_str(limit=200)
        assert line.endswith((".", "?")), path
        assert len(line) < 80, path


def test_help_names_every_command_and_what_to_begin_with() -> None:
    ran = upscale("--help")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert all(f"\n  {name} " in ran.stdout for name in COMMANDS)
    assert "upscaled up" in ran.stdout


def test_the_version_is_told_without_loading_anything_heavy() -> None:
    program = (
        "import sys; from upscaled.cli.main import run; code = run(['--version']);"
        "print(code, *[m for m in ('pydantic', 'rich', 'yaml', 'torch', 'numpy', 'sqlite3', "
        "'asyncio') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.stdout == f"upscaled {upscaled.__version__}\n0\n"
    assert ran.stderr == ""


# Errors


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("stauts", "status"), ("upp", "up"), ("retyr", "retry"), ("conf", "config")],
)
def test_a_slip_is_understood(typed: str, meant: str) -> None:
    ran = upscale(typed)
    assert ran.returncode == 2
    assert f"Did you mean '{meant}'?" in ran.stderr
    assert "upscaled --help" in ran.stderr
    assert ran.stdout == ""


@pytest.mark.parametrize(
    "words",
    [
        ["zzzzzz"],
        ["status", "--no-such-option"],
        ["show"],
        ["show", "seventeen"],
        ["retry"],
        ["retry", "--all", "3"],
        ["run"],
        ["run", "/no such file.png"],
        [],
    ],
)
def test_a_wrong_call_is_a_sentence_and_code_2(words: list[str]) -> None:
    ran = upscale(*words)
    assert ran.returncode == 2, ran.stderr
    assert ran.stderr
    assert ran.stdout == ""
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    "words",
    [["status"], ["down"], ["pause"], ["scan"], ["retry", "1"]],
)
def test_without_a_daemon_orders_end_with_code_3(words: list[str]) -> None:
    ran = upscale(*words)
    assert ran.returncode == 3, ran.stderr
    assert "upscaled up" in ran.stderr + ran.stdout
    assert "Traceback" not in ran.stderr


def test_a_broken_configuration_is_code_78_with_all_its_problems(tmp_path: Path) -> None:
    path = tmp_path / "upscaled.yml"
    path.write_text("rules:\n  photos:\n    wacth: /x\n    output: {foldr: /y}\n")
    ran = upscale("up", "--config", path)
    assert ran.returncode == ConfigError.exit_code == 78
    assert "wacth" in ran.stderr
    assert "foldr" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_job_that_is_not_there(home: Path) -> None:
    ran = upscale("show", "1")
    assert (ran.returncode, "there is no job" in ran.stderr) == (2, True), "nor a database"
    Store.open(home / ".local" / "state" / "upscaled" / "upscaled.db").close()
    for number in ("1", "99999999999999999999999"):
        ran = upscale("show", number)
        assert (ran.returncode, "there is no job" in ran.stderr) == (2, True), ran.stderr


def test_a_damaged_database_is_told_and_status_goes_on(home: Path) -> None:
    path = home / ".local" / "state" / "upscaled" / "upscaled.db"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database\n" * 500)
    ran = upscale("status")
    assert ran.returncode == 3
    assert "job database" in ran.stdout
    assert "Traceback" not in ran.stderr


def test_a_state_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = upscale("up", "--once", env=without(XDG_STATE_HOME=str(tmp_path / "file")))
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    assert "XDG_STATE_HOME" in ran.stderr


def test_a_runtime_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = upscale("up", "--once", env=without(XDG_RUNTIME_DIR=str(tmp_path / "file")))
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    assert "XDG_RUNTIME_DIR" in ran.stderr


# Data and messages


def test_status_as_json_is_json_alone() -> None:
    ran = upscale("status", "--json")
    assert json.loads(ran.stdout)["daemon"] == {"running": False, "pid": None}
    assert (ran.returncode, ran.stderr) == (3, "")


def test_a_pipe_gets_no_colours() -> None:
    assert "\x1b" not in upscale("status").stdout
    assert "\x1b" not in upscale("--help").stdout


@pytest.mark.parametrize("words", [["status"], ["status", "--json"], ["--help"]])
def test_a_reader_that_has_had_enough_is_no_error(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as broken:
        ran = upscale(*words, capture_output=False, stdout=broken, stderr=subprocess.PIPE)
    assert ran.stderr == ""
    assert ran.returncode in (0, 3)


@pytest.mark.parametrize("words", [["status"], ["--help"]])
def test_a_full_disk_behind_stdout_is_a_sentence(words: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        ran = upscale(*words, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert ran.returncode != 0
    assert "Traceback" not in ran.stderr
    assert "No space left" in ran.stderr


@pytest.mark.parametrize("words", [["status"], ["--help"], ["zzz"]])
@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error_of_their_own(words: list[str], closed: str) -> None:
    script = f'exec "$@" {closed}'
    command = ["sh", "-c", script, "sh", *UPSCALED, *words]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in ran.stderr
    assert ran.returncode == {"status": 3, "--help": 0, "zzz": 2}[words[0]]


@pytest.mark.parametrize(
    "env",
    [
        {"LANG": "C"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "latin-1"},
        {"TERM": "dumb", "COLUMNS": "20"},
    ],
    ids=lambda env: " ".join(f"{key}={value}" for key, value in env.items()),
)
def test_any_language_of_the_terminal_will_do(env: dict[str, str], tmp_path: Path) -> None:
    clean = without("LANG", "LC_ALL", "LC_CTYPE", **env)
    for words in (["status"], ["down"]):
        ran = upscale(*words, env=clean)
        assert "Traceback" not in ran.stderr, ran.stderr
    odd = upscale("run", os.fsencode(tmp_path / "caf\udce9 日本.png"), env=clean, text=False)
    assert odd.returncode == 2
    assert b"Traceback" not in odd.stderr


# Homes


def test_without_home_the_password_file_says_where_it_is() -> None:
    xdg = [name for name in os.environ if name.startswith("XDG_")]
    ran = upscale("status", "--json", env=without("HOME", *xdg))
    assert "Traceback" not in ran.stderr
    assert ran.returncode in (0, 3, 5)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user that does not exist")
@pytest.mark.parametrize("words", [["status"], ["up", "--once"], ["config", "path"]])
def test_a_user_without_a_home_is_told_to_set_one(words: list[str], tmp_path: Path) -> None:
    xdg = [name for name in os.environ if name.startswith("XDG_")]
    program = (
        "import os, sys; os.setgid(54321); os.setuid(54321); os.chdir('/');"
        "from upscaled.cli.main import run; sys.exit(run(sys.argv[1:]))"
    )
    # Everything is loaded as root: the files of this Python may be in root's home.
    ran = subprocess.run(
        [sys.executable, "-c", "import upscaled.cli.main, upscaled.service.daemon, "
         "upscaled.config.load, upscaled.service.status.systemd_notify, "
         "upscaled.cli.commands.config, "
         "upscaled.cli.commands.up, upscaled.cli.commands.status, "
         "upscaled.cli.screens.status_screen;" + program,
         *words],
        env=without("HOME", *xdg),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # fmt: skip
    assert "Traceback" not in ran.stderr, ran.stderr
    assert ran.returncode == 2, ran.stdout
    assert "HOME" in ran.stderr
