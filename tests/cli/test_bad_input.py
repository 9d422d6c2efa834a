"""Every command where things are in a bad way: a line that says what to do, no traceback."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from upscaled.cli.manpage import commands
from upscaled.control.address import short_address
from upscaled.errors import ExitCode
from upscaled.store.jobs import Store

UPSCALED = (sys.executable, "-m", "upscaled")
AT_ONCE = 4
EXIT_CODES = {int(code) for code in ExitCode}

CALLS = {
    "status": ("status",),
    "status for programs": ("status", "--json"),
    "status for monitors": ("status", "--check"),
    "down": ("down",),
    "run": ("run", "none.png"),
    "run broken": ("run", "broken.png"),
    "run input": ("run", "--input", "{"),
    "run rule": ("run", "broken.png", "--rule", "none"),
    "compare": ("compare", "broken.png", "none.png"),
    "compare broken": ("compare", "broken.png", "broken.png"),
    "add": ("add", "none.png"),
    "add broken": ("add", "broken.png"),
    "queue": ("queue",),
    "failed": ("failed", "--json"),
    "show": ("show", "4711"),
    "why": ("why", "none.png"),
    "retry": ("retry", "4711"),
    "retry all": ("retry", "--all"),
    "forget": ("forget", "4711"),
    "bump": ("bump", "4711"),
    "pause": ("pause", "none"),
    "resume": ("resume", "none"),
    "scan": ("scan",),
    "reload": ("reload",),
    "config check": ("config", "check"),
    "config show": ("config", "show"),
    "config path": ("config", "path"),
    "config schema": ("config", "schema"),
    "config init": ("config", "init"),
    "models list": ("models", "list"),
    "models verify": ("models", "verify", "none"),
    "models pull": ("models", "pull", "none"),
    "models remove": ("models", "remove", "none"),
    "service unit": ("service", "unit"),
    "service status": ("service", "status"),
    "service install": ("service", "install"),
    "service uninstall": ("service", "uninstall"),
    "logs": ("logs",),
    "bench": ("bench", "--model", "none"),
    "completion": ("completion", "bash"),
    "doctor": ("doctor", "--json"),
    "up": ("up", "--once", "--config", "broken.yml"),
}
WRITING = {"config init", "service install", "service uninstall", "up"}
LONG = {"doctor", "bench", "run broken", "compare broken"}
"""They load torch or OpenCV: seconds."""


@dataclass
class Surroundings:
    folder: Path
    env: dict[str, str]
    redirect: str = ""
    before: str = ""
    close_stdout: bool = False
    lacks_streams: bool = False


def _usual(_: Surroundings) -> None:
    pass


def _jobs(here: Surroundings) -> None:
    Store.open(here.folder / "home/.local/state/upscaled/upscaled.db").close()


def _dead_socket(here: Surroundings) -> None:
    path = Path(here.env["XDG_RUNTIME_DIR"]) / "upscaled" / "control.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead, short_address(path) as address:
        dead.bind(address)


def _stale_lock(here: Surroundings) -> None:
    lock = here.folder / "home/.local/state/upscaled/lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("4194300\n")


def _no_runtime(here: Surroundings) -> None:
    here.env["XDG_RUNTIME_DIR"] = "/proc/none"


def _socket_is_a_folder(here: Surroundings) -> None:
    (Path(here.env["XDG_RUNTIME_DIR"]) / "upscaled" / "control.sock").mkdir(parents=True)


def _full_disk(here: Surroundings) -> None:
    # No file can grow; what is written to pipes goes through.
    here.before = "ulimit -f 0; "


def _unwritable_home(here: Surroundings) -> None:
    # root may write into any folder, but not make one here.
    here.env["HOME"] = "/proc"


def _c_locale(here: Surroundings) -> None:
    here.env |= {"LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def _no_home(here: Surroundings) -> None:
    del here.env["HOME"]


def _closed(here: Surroundings) -> None:
    here.redirect, here.lacks_streams = "<&- >&-", True


def _all_closed(here: Surroundings) -> None:
    here.redirect, here.lacks_streams = "<&- >&- 2>&-", True


def _broken_pipe(here: Surroundings) -> None:
    here.close_stdout = here.lacks_streams = True


SURROUNDINGS: dict[str, Callable[[Surroundings], None]] = {
    "usual": _usual,
    "no such job": _jobs,
    "dead socket": _dead_socket,
    "stale lock": _stale_lock,
    "no runtime folder": _no_runtime,
    "socket is a folder": _socket_is_a_folder,
    "full disk": _full_disk,
    "unwritable home": _unwritable_home,
    "LANG=C": _c_locale,
    "no HOME": _no_home,
    "closed stdin and stdout": _closed,
    "all closed": _all_closed,
    "broken pipe": _broken_pipe,
}


def _complaint(call: str, surroundings: str, folder: Path) -> str | None:
    """What is wrong with the answer of a command, if anything is."""
    here = _made(surroundings, folder)
    reading, writing = os.pipe()
    if here.close_stdout:
        os.close(reading)
    script = f'{here.before}exec "$@" {here.redirect}'
    with subprocess.Popen(
        ["sh", "-c", script, "sh", *UPSCALED, *CALLS[call]],
        cwd=here.folder,
        env=here.env,
        stdin=subprocess.DEVNULL,
        stdout=writing if here.close_stdout else subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        out, err = child.communicate(timeout=120)
    os.close(writing)
    if not here.close_stdout:
        os.close(reading)
    told = (out or b"").decode(errors="replace") + err.decode(errors="replace")
    if "Traceback" in told or "Exception ignored" in told:
        return told
    if child.returncode not in EXIT_CODES:
        return f"exit code {child.returncode}: {told}"
    # What is told on stdout alone cannot be heard where that is closed.
    unheard = here.lacks_streams and call.startswith(("status", "config check", "doctor"))
    silent = unheard or surroundings == "all closed"
    if child.returncode and not silent and not _says_what_to_do(told):
        return f"exit code {child.returncode}, and no word of what to do: {told!r}"
    return None


def _says_what_to_do(told: str) -> bool:
    return any(sign in told for sign in ("→", r"\u2192", "->", "upscaled up", "not an image", "{"))


def _made(surroundings: str, folder: Path) -> Surroundings:
    (folder / "home").mkdir(parents=True)
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    (folder / "broken.png").write_text("no image")
    (folder / "broken.yml").write_text("rulez: [")
    kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}
    here = Surroundings(
        folder, kept | {"HOME": str(folder / "home"), "XDG_RUNTIME_DIR": str(runtime)}
    )
    SURROUNDINGS[surroundings](here)
    return here


def _complaints(pairs: Iterable[tuple[str, str]], folder: Path) -> dict[tuple[str, str], str]:
    def asked(numbered: tuple[int, tuple[str, str]]) -> tuple[tuple[str, str], str | None]:
        number, pair = numbered
        return pair, _complaint(*pair, folder / str(number))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(asked, enumerate(pairs)))
    return {pair: complaint for pair, complaint in answers if complaint}


def test_every_command_is_among_those_that_are_tried() -> None:
    leaves = {
        tuple(context.command_path.split()[1:])
        for context, command in commands()
        if not isinstance(command, click.Group)
    }
    tried = {words[:length] for words in CALLS.values() for length in (1, 2)}
    assert leaves - tried == set()


def test_bad_surroundings_are_told_in_a_line(tmp_path: Path) -> None:
    """Each command in one of them, and each of them with three commands at least."""
    quick = [call for call in CALLS if call not in LONG | WRITING]
    names = list(SURROUNDINGS)
    chosen = [(call, names[number % len(names)]) for number, call in enumerate(quick)]
    assert _complaints(chosen, tmp_path) == {}


@pytest.mark.soak
@pytest.mark.parametrize("surroundings", SURROUNDINGS)
def test_every_command_in_all_bad_surroundings(tmp_path: Path, surroundings: str) -> None:
    # Without HOME, the password file leads to the home of whoever runs the tests.
    safe = [call for call in CALLS if surroundings != "no HOME" or call not in WRITING]
    assert _complaints([(call, surroundings) for call in safe], tmp_path) == {}
