"""A `systemd --user` of a test's own: see `tests/tools/with-user-manager`."""

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[1] / "tools" / "with-user-manager"
HOME_OF_PERSON = Path("/run/home")
UNAVAILABLE = 75


def environment() -> dict[str, str]:
    """That of the test, with the `upscaled` that is tested first on PATH."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


class UserManager:
    """A shell beside it, which runs one script after the other."""

    def __init__(self, folder: Path, *, is_home: bool = False) -> None:
        """`is_home`: all is done by another person than this one, whose home is `folder`."""
        self._folder = folder
        self._called = HOME_OF_PERSON if is_home else folder
        environ = environment()
        if is_home:
            environ = {name: word for name, word in environ.items() if name[:4] != "XDG_"}
        self._shell = subprocess.Popen(
            [TOOL, *(["--person", folder] if is_home else []), "sh"],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        try:
            self.run("true")
        except BaseException:
            self.stop()
            raise

    def run(self, script: str, *, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """What `sh -c script` said and returned; skips the test where there is no manager."""
        assert self._shell.stdin
        assert self._shell.stdout
        assert self._shell.stderr
        file, out, err = (self._folder / f"script.{end}" for end in ("sh", "out", "err"))
        file.write_text(script, encoding="utf-8")
        called, told, wrong = (self._called / each.name for each in (file, out, err))
        # Where it never started it says why.
        with contextlib.suppress(BrokenPipeError):
            self._shell.stdin.write(f"sh '{called}' >'{told}' 2>'{wrong}' </dev/null; echo $?\n")
        if not select.select([self._shell.stdout], [], [], timeout_s)[0]:
            pytest.fail(f"not within {timeout_s:g} s: {script}\n{err.read_text()}")
        code = self._shell.stdout.readline().strip()
        if not code:
            said = self._shell.stderr.read()
            if self._shell.wait() == UNAVAILABLE:
                pytest.skip(said.strip())
            pytest.fail(f"the user manager ended: {said}")
        return subprocess.CompletedProcess(script, int(code), out.read_text(), err.read_text())

    def check(self, script: str, *, timeout_s: float = 60) -> str:
        """What it printed; fails where it failed."""
        ran = self.run(script, timeout_s=timeout_s)
        assert ran.returncode == 0, f"{script}: {ran.stdout}{ran.stderr}"
        return ran.stdout

    def show(self, *names: str, unit: str = "upscaled.service") -> dict[str, str]:
        lines = self.check(f"systemctl --user show -p {','.join(names)} {unit}").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def until(self, condition: Callable[[], object], what: str, timeout_s: float = 90) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"not within {timeout_s:g} s: {what}\n{self.log()}")
            time.sleep(0.05)

    def log(self) -> str:
        return self.run("journalctl --no-pager -o cat -t upscaled -t systemd | tail -50").stdout

    def stop(self) -> None:
        """With all that runs under it: its PID namespace ends."""
        if self._shell.stdin:
            self._shell.stdin.close()
        try:
            self._shell.wait(20)
        except subprocess.TimeoutExpired:
            self._shell.kill()
            self._shell.wait()
        for stream in (self._shell.stdout, self._shell.stderr):
            if stream:
                stream.close()
