"""Renders the systemd user unit. `systemd/upscaled.service` is its committed output.

No option here needs a mount namespace: a user manager on Ubuntu 23.10 and later cannot make one
(systemd PR 30914), and the unit would not start. All of it is known to systemd 247 to 257.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

UNIT_NAME = "upscaled.service"
PACKAGED = ("/usr/bin/upscaled",)
"""Where a distribution's package puts the command."""

_UNIT = """\
[Unit]
Description=Upscale the images that are dropped into inbox folders
# Six crashes in five minutes are no accident any more.
StartLimitIntervalSec=300
StartLimitBurst=6

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
{environment}ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=3
# A broken configuration stays broken: 78 is EX_CONFIG.
RestartPreventExitStatus=78
# Loading a model takes long on a slow disk; the daemon asks for more time where it needs it.
TimeoutStartSec=180
TimeoutStopSec=45
WatchdogSec=60
# The daemon stops its worker between two tiles; what is left after TimeoutStopSec is killed.
KillMode=mixed
# A worker killed for memory is recorded and replaced; the daemon goes on.
OOMPolicy=continue
Nice=10
IOSchedulingClass=best-effort
IOSchedulingPriority=7
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK

[Install]
WantedBy=default.target
"""


def render_unit(
    executable: Sequence[str | Path],
    arguments: Sequence[str | Path] = (),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The unit's text.

    Args:
        executable: the absolute path of the command, and what always follows it
            (`python -m upscaled` is three words).
        arguments: what follows `up`, for example `--config FILE`.
        environment: variables that the user instance of systemd does not give the service; UTF-8.
    """
    if not Path(executable[0]).is_absolute():
        raise ValueError(f"systemd needs an absolute path: {executable[0]}")
    return _UNIT.format(
        command=" ".join(map(quote, [*executable, "up", *arguments])),
        environment="".join(
            f"{assignment(name, value)}\n" for name, value in sorted(environment.items())
        ),
    )


def assignment(name: str, value: str) -> str:
    """A line of the unit that gives the service this variable."""
    # A `$` has no meaning there: systemd.exec(5), "Environment=".
    return f"Environment={_quote(f'{name}={value}', doubled='%')}"


def assignments(unit: str) -> dict[str, str]:
    """By the variable's name, each line of a unit that `assignment` wrote."""
    found = re.finditer(r'^Environment="?([A-Za-z_]\w*)=.*$', unit, re.MULTILINE | re.ASCII)
    return {line[1]: line[0] for line in found}


def quote(word: str | Path) -> str:
    r"""One word of `ExecStart=`, whatever is in it: systemd.syntax(7), "Quoting".

    `%` and `$` are doubled against specifiers and variables; bytes that are no UTF-8 and control
    characters become `\xNN`.
    """
    return _quote(word, doubled="%$")


def _quote(word: str | Path, doubled: str) -> str:
    written = []
    for byte in os.fsencode(word):
        character = chr(byte)
        if character in '"\\':
            written.append("\\" + character)
        elif character in doubled:
            written.append(character * 2)
        elif " " <= character <= "~":
            written.append(character)
        else:
            written.append(f"\\x{byte:02x}")
    text = "".join(written)
    plain = text and not set(text) & set(" \"'\\;#")
    return text if plain else f'"{text}"'
