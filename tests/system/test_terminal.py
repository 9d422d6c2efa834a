"""A person at a terminal: the daemon in one window, its status in another, orders in a third."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon_fixtures import SMALL_PX, Daemon, MakeDaemon, is_upscaled
from support.terminal import PROMPT, Terminal
from upscaled import __version__

MODEL = "realesr-animevideov3"
"""The fastest: nobody waits for the network here."""

CHANGES = [
    (r"(?<!done )\b\d+(\.\d+)? (s|min|h)\b", "<time>"),
    (r"\bpid \d+", "pid <n>"),
    (r"\btile \d+ px", "tile <n> px"),
    (r"\b\d+(\.\d+)? (MB|GB)\b", "<size>"),
    (r"\b(fp32|bf16|fp16)\b", "<precision>"),
    (r"(?m)^SQLite .*\n", ""),
]
"""What differs from machine to machine, and from second to second."""


@pytest.fixture
def daemon(make_daemon: MakeDaemon, animevideo_file: Path) -> Daemon:
    """Not started: somebody types that."""
    assert MODEL in animevideo_file.name
    daemon = make_daemon()
    daemon.configure()
    assert daemon.config is not None
    with daemon.config.open("a", encoding="utf-8") as config:
        config.write(f"component: {{model: {MODEL}}}\n")
    return daemon


@pytest.fixture
def terminal(daemon: Daemon) -> Iterator[Terminal]:
    # A socket's path holds 107 bytes at most.
    socket = Path(os.environ["XDG_RUNTIME_DIR"]) / "tmux"
    terminal = Terminal(socket, daemon.folder, daemon.environ | {"COLUMNS": ""})
    yield terminal
    terminal.end()


def told(screen: str) -> list[str]:
    """The lines of a screen, without what differs each time."""
    for pattern, name in CHANGES:
        screen = re.sub(pattern, name, screen)
    return screen.rstrip("\n").split("\n")


def status(*, state: str = "active", queued: int = 0, done: int, newest: str) -> list[str]:
    """What `status --watch` promises to show while nothing is under way."""
    width, height = (4 * side for side in SMALL_PX)
    is_counted = f" · {queued} queued" if queued else ""
    return [
        f"upscaled {__version__} · running for <time> · pid <n>{is_counted}",
        f"cpu <precision> · {MODEL} · tile <n> px · <size> used, <size> free",
        "rule    state   queued  running  done 24 h  failed  watched by",
        f"photos  {state:<6}  {queued:>6}        0  {done:>9}       0  inotify",
        f"✓ {newest} {width}×{height} px, <time> ago",
    ]


def test_a_person_starts_watches_pauses_resumes_and_stops_it(
    terminal: Terminal, daemon: Daemon
) -> None:
    terminal.open("up")
    terminal.type("up", "upscaled up --config upscaled.yml")
    first = terminal.until("up", lambda screen: "Stop it: " in screen, "it has begun")
    for line in (
        f"drop images into  {daemon.inbox}",
        f"results appear in {daemon.outbox}",
        f"with the model    {MODEL}",
        "See what it does: upscaled status    Stop it: Ctrl-C, or upscaled down",
    ):
        assert line in first, first

    terminal.open("watch")
    terminal.type("watch", "clear; upscaled status --watch")
    terminal.until("watch", lambda screen: "photos  active" in screen, "the rule is there")
    assert terminal.tell("watch", "cursor_flag") == "0", "a cursor would jump about"

    five = [daemon.drop(f"{name}.png") for name in "abcde"]
    daemon.wait_done(*five)
    assert daemon.results() == [f"{name}_4x.png" for name in "abcde"]
    assert all(is_upscaled(daemon.outbox / f"{one.stem}_4x.png", one) for one in five)
    newest = max((daemon.jobs(one)[-1] for one in five), key=lambda job: job.finished_at or 0)
    idle = status(done=5, newest=f"{newest.file.stem}_4x.png")
    terminal.until("watch", lambda screen: told(screen) == idle, f"the watch shows {idle}")
    terminal.open("orders")
    terminal.type("orders", "upscaled pause")
    terminal.until("orders", lambda screen: "all rules: paused" in screen, "the pause is told")
    sixth = daemon.drop("f.png")
    paused = status(state="paused", queued=1, done=5, newest=f"{newest.file.stem}_4x.png")
    terminal.until("watch", lambda screen: told(screen) == paused, f"the watch shows {paused}")
    assert daemon.results() == [f"{name}_4x.png" for name in "abcde"]

    terminal.type("orders", "upscaled resume")
    terminal.until("orders", lambda screen: "all rules: goes on" in screen, "that it goes on")
    daemon.wait_done(sixth)
    idle = status(done=6, newest="f_4x.png")
    last = terminal.until("watch", lambda screen: told(screen) == idle, f"the watch shows {idle}")

    # Redrawn in place: nothing scrolled away, and what was shown last stays.
    terminal.press("watch", "C-c")
    left = terminal.until("watch", lambda screen: PROMPT.strip() in screen, "the shell is back")
    assert told(left)[: len(told(last))] == idle
    assert terminal.tell("watch", "history_size") == "0"
    assert terminal.tell("watch", "cursor_flag") == "1", "the cursor comes back"

    terminal.press("up", "C-c")
    ended = terminal.until("up", lambda screen: screen.rstrip().endswith("$"), "the daemon ends")
    terminal.type("up", "echo the code is $?")
    terminal.until("up", lambda screen: "\nthe code is 0\n" in screen, "it ended as it was asked")
    terminal.type("orders", "clear; upscaled status")
    terminal.until(
        "orders",
        lambda screen: screen.startswith("upscaled is not running  → upscaled up\n"),
        "the status says how to start it",
    )
    for screen in (ended, left, terminal.screen("orders")):
        assert "Traceback" not in screen
