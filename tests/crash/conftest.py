"""For tests that break things on purpose: runs that can be killed at any system call."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Helpers beside the tests, as `tests` itself is on the path for those that all share.
sys.path.append(str(Path(__file__).parent))

import crash_stage


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    # What the torture runs have to show, whether a test failed or not.
    for line in crash_stage.headlines:
        terminalreporter.write_line(line)


def _can_trace() -> bool:
    strace = shutil.which("strace")
    words = ["-qq", "-o", "/dev/null", "true"]
    return strace is not None and not subprocess.run([strace, *words], check=False).returncode


@pytest.fixture(scope="session")
def zygote() -> Iterator[crash_stage.Zygote]:
    """Skips where no process may be traced."""
    if not _can_trace():
        pytest.skip("strace is missing, or not permitted here: tests/tools/system-packages")
    zygote = crash_stage.Zygote()
    yield zygote
    zygote.end()
