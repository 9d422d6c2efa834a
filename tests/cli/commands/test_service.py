"""`upscaled service` where there is no systemd to talk to; with one: `tests/system`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from upscaled.cli.commands.service import service_group
from upscaled.cli.unit import (
    differences,
    executable,
    given,
    is_current,
    unit_path,
    unit_text,
)
from upscaled.errors import ServiceError


def service(*words: str) -> Result:
    return CliRunner().invoke(service_group, words)


def unit_file(home: Path) -> Path:
    return home / ".local" / "share" / "systemd" / "user" / "upscaled.service"


def test_the_unit_belongs_into_the_data_folder(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert service("unit").stdout == f"{unit_file(home)}\n"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "elsewhere"))
    place = tmp_path / "elsewhere" / "systemd" / "user" / "upscaled.service"
    assert service("unit").stdout == f"{place}\n"


@pytest.mark.parametrize("by", ["option", "environment"])
def test_the_printed_unit_starts_this_program_with_the_configuration_asked_for(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my rules.yml").touch()
    words = ["--config", "my rules.yml"] if by == "option" else []
    if by == "environment":
        monkeypatch.setenv("UPSCALED_CONFIG", "my rules.yml")

    text = service("unit", "--print", *words).stdout

    command = next(line for line in text.splitlines() if line.startswith("ExecStart="))
    assert command.startswith(f"ExecStart={executable()[0]} ")
    assert command.endswith(f' up --config "{tmp_path}/my rules.yml"')


def test_this_program_is_a_command_that_runs() -> None:
    ran = subprocess.run([*executable(), "--version"], capture_output=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr


def test_a_shim_on_path_is_preferred_where_it_leads_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Path(sys.executable).with_name("upscaled")
    ours, foreign = tmp_path / "ours", tmp_path / "foreign"
    for folder in (ours, foreign):
        folder.mkdir()
    (ours / "upscaled").symlink_to(script)
    (foreign / "upscaled").write_text("#!/bin/sh\n")
    (foreign / "upscaled").chmod(0o755)

    monkeypatch.setenv("PATH", str(ours))
    assert executable() == [str(ours / "upscaled")]
    monkeypatch.setenv("PATH", str(foreign))
    assert executable() == [str(script)]


@pytest.mark.parametrize("command", ["install", "status"])
def test_without_systemd_a_sentence_says_what_to_do(
    command: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    error = service(command).exception
    assert isinstance(error, ServiceError)
    assert "systemctl" in error.message
    assert "upscaled up" in (error.hint or "")
    assert not unit_file(home).exists()


@pytest.mark.skipif(not shutil.which("systemctl"), reason="systemctl is not installed")
def test_without_a_user_manager_nothing_is_installed(home: Path) -> None:
    error = service("install").exception
    assert isinstance(error, ServiceError)
    assert "user instance of systemd does not answer" in error.message
    assert error.hint
    assert not unit_file(home).exists()


def test_uninstalling_what_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    result = service("uninstall")
    assert (result.exit_code, "nothing to remove" in result.stdout) == (0, True)


def test_a_unit_of_another_place_or_version_is_noticed() -> None:
    ours = unit_text((), None)
    assert is_current(ours)
    assert is_current(unit_text((Path("/my rules.yml"), Path("/b.yml")), None))
    assert not is_current(ours.replace(executable()[0], "/old/venv/bin/upscaled"))
    assert not is_current(ours.replace(" up\n", " upside\n"))
    assert not is_current(ours.replace("KillMode=mixed\n", ""))
    assert not is_current("")
    assert not is_current(ours.replace("\nExecReload", "\nEnvironment=LD_PRELOAD=/x\nExecReload"))


XDG = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")


@pytest.fixture
def manager(home: Path) -> dict[str, str]:
    """What systemd gives a service: the same as this shell has now."""
    return {"HOME": str(home), **{name: os.environ[name] for name in XDG}}


def test_what_systemd_does_not_have_is_written_into_the_unit(
    manager: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\nEnvironment=" not in unit_text((), manager)
    monkeypatch.setenv("XDG_STATE_HOME", "/mnt/my 100% $tate")
    monkeypatch.setenv("HF_HOME", "/mnt/hub")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")

    text = unit_text((), manager)

    lines = [line for line in text.splitlines() if line.startswith("Environment=")]
    assert lines == [
        "Environment=HF_HOME=/mnt/hub",
        'Environment="XDG_STATE_HOME=/mnt/my 100%% $tate"',
    ]
    assert is_current(text)
    assert differences(text, manager) == []
    assert service("unit", "--print").stdout.count("\nEnvironment=") == 4, "nobody to ask: all"


@pytest.mark.parametrize("change", ["/other", None])
def test_a_service_that_looks_elsewhere_than_the_shell_is_noticed(
    change: str | None, manager: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = unit_text((), manager)
    monkeypatch.setenv("XDG_STATE_HOME", "/first")
    assert differences(bare, manager) == ["XDG_STATE_HOME"]
    assert differences(bare, None) == [], "systemd may have it"
    assert differences(bare, manager | {"XDG_STATE_HOME": "/first"}) == []
    text = unit_text((), manager)
    if change:
        monkeypatch.setenv("XDG_STATE_HOME", change)
    else:
        monkeypatch.delenv("XDG_STATE_HOME")
    assert differences(text, manager) == ["XDG_STATE_HOME"]
    assert differences(text, None) == ["XDG_STATE_HOME"]
    assert is_current(text), "of this version all the same"


def test_the_unit_goes_where_systemd_looks(
    home: Path, manager: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/mnt/data")
    assert unit_path(manager) == unit_file(home)
    assert unit_path({"HOME": str(home)}) == unit_file(home)
    assert given(manager) == {"XDG_DATA_HOME": "/mnt/data"}


def test_what_systemd_would_pass_over_is_refused(
    manager: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", os.fsdecode(b"/mnt/caf\xe9"))
    with pytest.raises(ServiceError, match=r"XDG_STATE_HOME .*caf\\xe9"):
        unit_text((), manager)
