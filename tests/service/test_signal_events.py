import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

TOLD = """
import fcntl, os, queue, signal, termios
from upscaled.service.events import caught
if os.isatty(0):
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
heard = queue.SimpleQueue()
with caught(heard.put):
    print("ready", flush=True)
    while heard.empty():
        signal.sigtimedwait([], 0.01)
    print(heard.get().number, flush=True)
"""


@pytest.fixture
def terminal() -> Iterator[list[int]]:
    """Both ends: ours, and the program's."""
    ends = list(pty.openpty())
    yield ends
    for end in ends:
        os.close(end)


def start(stdin: int) -> subprocess.Popen[bytes]:
    program = subprocess.Popen(
        [sys.executable, "-c", TOLD], stdin=stdin, stdout=subprocess.PIPE, start_new_session=True
    )
    assert program.stdout is not None
    assert program.stdout.readline() == b"ready\n"
    return program


def said(program: subprocess.Popen[bytes]) -> int:
    return int(program.communicate(timeout=30)[0])


def test_a_terminal_that_is_closed_asks_for_the_end(terminal: list[int]) -> None:
    ours, its = terminal
    program = start(its)
    os.close(its)
    os.close(ours)
    terminal.clear()
    assert said(program) == signal.SIGTERM


@pytest.mark.parametrize("in_terminal", [True, False])
def test_a_hang_up_that_somebody_sends_asks_for_a_reload(
    terminal: list[int], in_terminal: bool
) -> None:
    program = start(terminal[1] if in_terminal else subprocess.DEVNULL)
    program.send_signal(signal.SIGHUP)
    assert said(program) == signal.SIGHUP
