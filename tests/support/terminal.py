"""A real terminal with several windows, typed into and read as a person does: tmux."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pytest

COLUMNS, LINES = 100, 24
PROMPT = "$ "


class Terminal:
    """A tmux server of a test's own; each window has a shell."""

    def __init__(self, socket: Path, folder: Path, environ: Mapping[str, str]) -> None:
        if shutil.which("tmux") is None:
            pytest.skip("there is no tmux to drive a terminal with (apt install tmux)")
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        # Every language's letters are drawn, and no start-up file changes the prompt.
        own = {"PATH": path, "PS1": PROMPT, "LC_ALL": "C.UTF-8", "ENV": "", "SHELL": "/bin/sh"}
        self._socket = socket
        self._folder = folder
        self._environ = {**environ, **own}
        self._environ.pop("COLUMNS", None)

    def open(self, name: str) -> None:
        """A new window with a shell that waits for words."""
        size = ("-x", str(COLUMNS), "-y", str(LINES))
        make = ("new-window",) if self._socket.exists() else ("new-session", "-d", *size)
        self._tmux(*make, "-n", name, "-c", str(self._folder), "/bin/sh")
        self.until(name, lambda screen: screen.strip() == PROMPT.strip(), "the shell asks")

    def type(self, name: str, line: str) -> None:
        self._tmux("send-keys", "-t", f":{name}", "-l", line)
        self.press(name, "Enter")

    def press(self, name: str, key: str) -> None:
        """`key` by tmux's name for it: `C-c`."""
        self._tmux("send-keys", "-t", f":{name}", key)

    def screen(self, name: str) -> str:
        """What one sees, without colours; a line that was too long for the window is one line."""
        shown = self._tmux("capture-pane", "-p", "-J", "-t", f":{name}")
        return "\n".join(line.rstrip() for line in shown.splitlines())

    def tell(self, name: str, wanted: str) -> str:
        """What tmux knows of the window: `cursor_flag`, `history_size`."""
        return self._tmux("display-message", "-p", "-t", f":{name}", f"#{{{wanted}}}").strip()

    def until(
        self, name: str, condition: Callable[[str], object], what: str, timeout_s: float = 60
    ) -> str:
        """The first screen for which `condition` holds."""
        deadline = time.monotonic() + timeout_s
        while not condition(screen := self.screen(name)):
            if time.monotonic() > deadline:
                pytest.fail(f"not within {timeout_s:g} s: {what}; {name} shows\n{screen}")
            time.sleep(0.05)
        return screen

    def end(self) -> None:
        """With all that runs in it: a daemon takes the hangup for an order to reload."""
        if not self._socket.exists():
            return
        shells = self._tmux("list-panes", "-a", "-F", "#{pane_pid}", may_fail=True).split()
        for shell in shells:
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(int(shell)).children(recursive=True):
                    child.kill()
        self._tmux("kill-server", may_fail=True)

    def _tmux(self, *words: str, may_fail: bool = False) -> str:
        ran = subprocess.run(
            ["tmux", "-u", "-f", "/dev/null", "-S", self._socket, *words],
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert may_fail or ran.returncode == 0, f"tmux {words}: {ran.stderr}"
        return ran.stdout
