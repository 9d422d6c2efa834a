"""What every test gets: a home of its own, and no leftovers."""

import contextlib
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import settings

# How long an example takes says nothing on a machine that is shared.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# Who runs the tests in the background of a shell (`make test &`) hands down that Ctrl-C is ignored,
# and so would be the programs that are told to end by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

HERE = Path(__file__).parent
if (HERE / "support/model_fixtures.py").exists():
    # Real weights, fetched once for each machine: outside the home that each test is given.
    pytest_plugins = ["support.model_fixtures", "support.daemon_fixtures"]

GRACE_S = 1.0
"""How long a thread or child that was told to end may take to do so."""

OF_THE_SESSION = (
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "JOURNAL_STREAM",
    "INVOCATION_ID",
    "DBUS_SESSION_BUS_ADDRESS",
    "UPSCALED_CONFIG",
    "NO_COLOR",
    "FORCE_COLOR",
)
"""What the person who runs the tests may have set, and the program under test listens to."""

Eventually = Callable[..., None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="Write the golden files of screens.")


def _eventually(condition: Callable[[], object], timeout_s: float = 10.0, what: str = "") -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout_s:g} s: {what or condition}")
        time.sleep(0.01)


@pytest.fixture(scope="session")
def eventually() -> Eventually:
    """`eventually(condition, timeout_s=10, what="")` polls every 10 ms, then fails with `what`."""
    return _eventually


@pytest.fixture(autouse=True)
def home(tmp_path: Path) -> Iterator[Path]:
    """`$HOME` and every `$XDG_*` folder inside `tmp_path`: the real ones are never touched."""
    home = tmp_path / "home"
    home.mkdir()
    # A socket's path holds 107 bytes at most; pytest's folders alone can be longer.
    runtime = Path(tempfile.mkdtemp(prefix="upscaled-"))
    with pytest.MonkeyPatch.context() as patch:
        for name in OF_THE_SESSION:
            patch.delenv(name, raising=False)
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
        patch.setenv("XDG_STATE_HOME", str(home / ".local" / "state"))
        patch.setenv("XDG_DATA_HOME", str(home / ".local" / "share"))
        patch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        yield home
    shutil.rmtree(runtime, ignore_errors=True)


@pytest.fixture
def models_at_home(home: Path, x4plus_file: Path) -> None:
    """The models folder of this home is the one that the tests keep: nothing is fetched."""
    kept = next(folder for folder in x4plus_file.parents if folder.name == "models")
    ours = home / ".local" / "share" / "upscaled" / "models"
    ours.parent.mkdir(parents=True)
    ours.symlink_to(kept)


@pytest.fixture(autouse=True)
def no_leftovers(home: Path) -> Iterator[None]:
    """Fails a test that leaves a thread or a process behind; the processes are ended."""
    threads = set(threading.enumerate())
    processes = set(_children())
    yield
    deadline = time.monotonic() + GRACE_S
    left: list[str] = []
    while (left := _left_over(threads, processes, home)) and time.monotonic() < deadline:
        time.sleep(0.02)
    if left:
        _end(_strays(home) | (_children() - processes))
        pytest.fail("left behind: " + ", ".join(left))


def _left_over(
    threads: set[threading.Thread], processes: set[psutil.Process], home: Path
) -> list[str]:
    running = {t for t in threading.enumerate() if t.is_alive()} - threads
    started = (_children() | _strays(home)) - processes
    return [f"thread {t.name}" for t in running] + [_describe(p) for p in started]


def _children() -> set[psutil.Process]:
    return {p for p in psutil.Process().children(recursive=True) if not _is_of_python(p)}


def _strays(home: Path) -> set[psutil.Process]:
    """Processes started under this test's home, also those whose parent is gone."""
    found = set()
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error, OSError):
            if f"HOME={home}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.add(psutil.Process(pid))
    return found


def _is_of_python(child: psutil.Process) -> bool:
    """Whether it is multiprocessing's own, which lives as long as the interpreter."""
    with contextlib.suppress(psutil.Error):
        return any("multiprocessing.resource_tracker" in word for word in child.cmdline())
    return False


def _describe(child: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return f"process {child.pid} ({child.status()}): {' '.join(child.cmdline())}"
    return f"process {child.pid}"


def _end(children: set[psutil.Process]) -> None:
    for child in children:
        with contextlib.suppress(psutil.Error):
            child.kill()
    psutil.wait_procs(children, timeout=5)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Hostile names in what a test printed: xdist sends reports between processes as UTF-8."""
    report = yield
    report.sections = [(title, _encodable(text)) for title, text in report.sections]
    return report


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
