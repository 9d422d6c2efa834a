"""The unit that is rendered is the unit that is committed, and systemd takes it."""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upscaled.systemd import PACKAGED, UNIT_NAME, assignment, quote, render_unit

COMMITTED = Path(__file__).parents[1] / "systemd" / UNIT_NAME

HARDENING = COMMITTED.parent / f"{UNIT_NAME}.d" / "hardening.conf"

OLDEST_SYSTEMD = 247
KNOWN_TO = {
    "Description": 38,
    "ExecStart": 38,
    "ExecReload": 195,
    "IOSchedulingClass": 38,
    "IOSchedulingPriority": 38,
    "InaccessiblePaths": 231,
    "KillMode": 209,
    "LockPersonality": 235,
    "Nice": 38,
    "NoNewPrivileges": 227,
    "NotifyAccess": 233,
    "OOMPolicy": 243,
    "PrivateTmp": 183,
    "PrivateUsers": 232,
    "ProtectControlGroups": 232,
    "ProtectSystem": 214,
    "Restart": 207,
    "RestartPreventExitStatus": 189,
    "RestartSec": 38,
    "RestrictAddressFamilies": 211,
    "RestrictNamespaces": 233,
    "RestrictRealtime": 231,
    "RestrictSUIDSGID": 242,
    "StartLimitBurst": 229,
    "StartLimitIntervalSec": 230,
    "SystemCallArchitectures": 209,
    "TimeoutStartSec": 188,
    "TimeoutStopSec": 188,
    "Type": 183,
    "WantedBy": 38,
    "WatchdogSec": 207,
}
"""A version of systemd that knows the directive, by its NEWS: the first section that names it (in
the place where we use it). NEWS begins with 38: what no section says was added is older, but for
OOMPolicy and StartLimitIntervalSec (once StartLimitInterval), which NEWS forgot."""

NEED_MOUNT_NAMESPACES = {
    "PrivateTmp",
    "PrivateDevices",
    "PrivateUsers",
    "PrivateNetwork",
    "PrivateIPC",
    "PrivateMounts",
    "ProtectSystem",
    "ProtectHome",
    "ProtectHostname",
    "ProtectClock",
    "ProtectProc",
    "ProtectKernelTunables",
    "ProtectKernelModules",
    "ProtectKernelLogs",
    "ProtectControlGroups",
    "ReadOnlyPaths",
    "ReadWritePaths",
    "InaccessiblePaths",
    "TemporaryFileSystem",
    "BindPaths",
    "StateDirectory",  # another folder before systemd 254 than after
    "MemoryDenyWriteExecute",  # breaks torch's compiled kernels
}


def parse(text: str) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str
    unit.read_string(text)
    return unit


def test_the_committed_unit_is_what_is_rendered() -> None:
    assert COMMITTED.read_text() == render_unit(PACKAGED)


def test_the_unit_says_what_keeps_the_daemon_alive() -> None:
    service = parse(render_unit(["/opt/upscaled"], ["--config", "/a b.yml"]))["Service"]
    assert service["ExecStart"] == '/opt/upscaled up --config "/a b.yml"'
    assert service["Type"] == "notify"
    assert service["RestartPreventExitStatus"] == "78"
    assert service["OOMPolicy"] == "continue"
    assert service["KillMode"] == "mixed"
    assert int(service["WatchdogSec"]) > 0


def test_nothing_in_the_unit_needs_a_mount_namespace() -> None:
    assert set(parse(COMMITTED.read_text())["Service"]).isdisjoint(NEED_MOUNT_NAMESPACES)


@pytest.mark.parametrize("file", [COMMITTED, HARDENING], ids=lambda file: file.name)
def test_the_oldest_supported_systemd_knows_every_directive(file: Path) -> None:
    unit = parse(file.read_text())
    used = {directive for section in unit.sections() for directive in unit[section]}
    assert used
    assert used <= set(KNOWN_TO), "look the new one up in systemd's NEWS"
    assert max(KNOWN_TO[directive] for directive in used) <= OLDEST_SYSTEMD


def test_a_relative_command_is_refused() -> None:
    with pytest.raises(ValueError, match="absolute"):
        render_unit(["upscaled"])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_to_say_about_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT_NAME
    unit.write_text(render_unit([sys.executable, "-m", "upscaled"]))
    ran = subprocess.run(
        ["systemd-analyze", "--user", "--man=no", "verify", unit],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.stdout, ran.stderr, ran.returncode) == ("", "", 0)


@given(st.binary(min_size=1).filter(lambda word: b"\0" not in word))
def test_a_quoted_word_is_printable_ascii_without_specifiers_or_variables(word: bytes) -> None:
    text = quote(os.fsdecode(word))
    assert text.isascii()
    assert text.isprintable()
    assert "%" not in text.replace("%%", "")
    assert "$" not in text.replace("$$", "")


TOOL = Path(__file__).parent / "tools" / "with-user-manager"
ODD_WORDS = ["", " ", "a b", "$HOME", "${X}", "%h", "%%", 'q"q', "q'q", "back\\slash", ";", "#x"]
ODD_VALUES = [*ODD_WORDS, "ä", "/a b/100% $HOME"]
"""Of variables: systemd takes UTF-8 alone."""
ODD_WORDS += ["ä", os.fsdecode(b"caf\xe9"), "tab\there", "new\nline", "\\x41", "~", "@", "-x"]


def test_systemd_gives_the_program_the_words_that_were_quoted(home: Path) -> None:
    folder = home / ".config" / "systemd" / "user"
    folder.mkdir(parents=True)
    heard = home / "heard"
    program = (
        "import os, sys; odd = [os.environ[f'ODD_{n}'] for n in range(int(sys.argv[1]))]; "
        f"open({str(heard)!r}, 'wb').write(os.fsencode('\\0'.join(sys.argv[2:] + odd)))"
    )
    command = " ".join(
        map(quote, [sys.executable, "-c", program, str(len(ODD_VALUES)), *ODD_WORDS])
    )
    lines = "\n".join(assignment(f"ODD_{number}", word) for number, word in enumerate(ODD_VALUES))
    (folder / "odd.service").write_text(f"[Service]\nType=oneshot\nExecStart={command}\n{lines}\n")

    ran = subprocess.run(
        [TOOL, "systemctl", "--user", "start", "odd.service"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if ran.returncode == 75:
        pytest.skip(ran.stderr.strip())

    assert ran.returncode == 0, ran.stderr
    assert heard.read_bytes().split(b"\0") == list(map(os.fsencode, [*ODD_WORDS, *ODD_VALUES]))
