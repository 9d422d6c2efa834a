"""The real daemon, as a child of the tests: with folders of its own, and real weights."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image

from upscaled.cli.fast_status import gather
from upscaled.dirs import Dirs
from upscaled.job import JobState
from upscaled.store.views import JobView, open_views

ROOT = Path(__file__).parents[2]
UPSCALED = Path(sys.executable).with_name("upscaled")
PHOTO = ROOT / "tests" / "data" / "astronaut.png"
START_LIMIT_S = 30.0
"""The supervisor answers after a quarter of a second on an idle machine."""
RESULT_LIMIT_S = 90.0
"""A small image takes 0.3 s, a large one four, once the worker has loaded torch in three."""
SETTLE_S = 0.2

NOT_FOR_IT = ("UPSCALED_CONFIG", "NOTIFY_SOCKET", "WATCHDOG_USEC", "JOURNAL_STREAM", "FORCE_COLOR")
"""Variables of the session that would change what is tested."""

SMALL_PX = (64, 48)
LARGE_PX = (200, 150)
"""Seconds of work: something can happen to it in the middle."""

Rules = Mapping[str, Mapping[str, object]]
Condition = Callable[[], object]


def crop(x: int, y: int, size_px: tuple[int, int] = SMALL_PX) -> Image.Image:
    """A part of the photograph, which goes on at its right and lower end as a mosaic."""
    with Image.open(PHOTO) as photo:
        tile = np.asarray(photo.convert("RGB"))
    rows = np.arange(y, y + size_px[1]) % tile.shape[0]
    columns = np.arange(x, x + size_px[0]) % tile.shape[1]
    return Image.fromarray(tile[np.ix_(rows, columns)])


def pixels(path: Path) -> NDArray[np.float64]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), dtype=np.float64)


def shrunk(large: NDArray[np.float64], scale: int) -> NDArray[np.float64]:
    """Each square of pixels becomes its mean."""
    height, width, channels = large.shape
    cut = large.reshape(height // scale, scale, width // scale, scale, channels)
    mean: NDArray[np.float64] = np.mean(cut, axis=(1, 3))
    return mean


def look(path: Path) -> tuple[int, int, int, int]:
    """What changes when somebody touches a file, be it only its name."""
    found = path.lstat()
    return found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns


def psnr_db(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(10 * np.log10(255**2 / np.mean((one - other) ** 2)))


def is_upscaled(result: Path, source: Path) -> bool:
    """Whether it is whole, four times larger, and the picture of its source."""
    large, small = pixels(result), pixels(source)
    height, width, _ = small.shape
    return large.shape == (4 * height, 4 * width, 3) and psnr_db(shrunk(large, 4), small) >= 27


def obey_permissions() -> tuple[str, ...]:
    """Words in front of a command that make the permissions of files hold for it."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root passes over permissions, and there is no setpriv to keep it from that")
    # Root without the two rights that let it pass over permissions is refused like anybody.
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")


class Daemon:
    """One daemon and its folders: all inside `folder`, but for the home it may be given."""

    def __init__(
        self,
        folder: Path,
        models: Path,
        *,
        home: Path | None = None,
        bound_by_permissions: bool = False,
    ) -> None:
        self.folder = folder
        self.home = home or folder / "home"
        self.inbox, self.outbox = folder / "inbox", folder / "outbox"
        for made in (self.inbox, self.outbox, self.home, folder / "data" / "upscaled"):
            made.mkdir(parents=True, exist_ok=True)
        (folder / "data" / "upscaled" / "models").symlink_to(models)
        self.prefix = obey_permissions() if bound_by_permissions else ()
        """Words in front of the command, such as a namespace to run it in."""
        environ = {name: word for name, word in os.environ.items() if name not in NOT_FOR_IT}
        self.environ = environ | {
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "XDG_RUNTIME_DIR": str(folder / "run"),
        }
        self.dirs = Dirs(
            config=folder / "config" / "upscaled",
            state=folder / "state" / "upscaled",
            data=folder / "data" / "upscaled",
            cache=folder / "cache" / "upscaled",
            runtime=folder / "run" / "upscaled",
        )
        self.config: Path | None = None
        self.log_file = folder / "daemon.log"
        self.child: subprocess.Popen[bytes] | None = None
        self._drops = itertools.count()

    # What it is told

    def configure(self, rules: Rules | None = None, **top: object) -> None:
        """From the next start on; by default one rule, from `inbox` to `outbox`.

        Relative folders are taken from the daemon's own. `top`: other keys of the top level.
        """
        rules = rules or {"photos": {}}
        own: dict[str, object] = {
            "watch": str(self.inbox),
            "output": str(self.outbox),
            "settle": SETTLE_S,
        }
        complete = {name: own | {**rule} for name, rule in rules.items()}
        for rule in complete.values():
            # One that appears later is looked for at growing intervals of up to half a minute.
            (self.folder / str(rule["watch"])).mkdir(exist_ok=True)
        self.config = self.folder / "upscaled.yml"
        self.config.write_text(yaml.safe_dump({"rules": complete, **top}), encoding="utf-8")

    def start(self, *words: str) -> None:
        """`upscaled up`; it answers when this returns."""
        config = () if self.config is None else ("--config", str(self.config))
        with self.log_file.open("ab") as log:
            self.child = subprocess.Popen(
                [*self.prefix, UPSCALED, "up", *config, *words],
                env=self.environ,
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        self._wait(lambda: self.status()["daemon"]["running"], "the daemon answers", START_LIMIT_S)

    def call(self, *words: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """`upscaled …` with the folders of this daemon."""
        return subprocess.run(
            [UPSCALED, *words],
            env=self.environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def send(self, number: signal.Signals) -> None:
        assert self.child is not None
        self.child.send_signal(number)

    def wait_for_end(self, timeout_s: float = 10) -> int:
        """The exit code of the supervisor."""
        assert self.child is not None
        return self.child.wait(timeout_s)

    def drop(
        self, name: str, content: Image.Image | bytes | None = None, inbox: Path | None = None
    ) -> Path:
        """As a browser does it: written under another name, then renamed.

        Without `content` it is a crop that was not dropped before.
        """
        target = (inbox or self.inbox) / name
        partial = target.with_name(f".{target.name}.part")
        if content is None:
            number = next(self._drops)
            content = crop(17 * number, 13 * number)
        if isinstance(content, bytes):
            partial.write_bytes(content)
        else:
            content.save(partial, format=Image.registered_extensions()[target.suffix.lower()])
        return partial.rename(target)

    # What it says

    def status(self) -> dict[str, Any]:
        """What `status --json` prints, without a new process for each look."""
        return gather(self.dirs)

    def is_ready(self) -> bool:
        """Whether its worker has its model; before there is a worker, it answers too."""
        return any(worker["resident"] for worker in self.status()["workers"])

    @property
    def worker_pid(self) -> int | None:
        pids: list[int | None] = [worker["pid"] for worker in self.status()["workers"]]
        return pids[0] if pids else None

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8") if self.log_file.exists() else ""

    def jobs(self, source: Path | None = None) -> list[JobView]:
        """All that there are, or those of one file; oldest first."""
        if not self.dirs.store.exists():
            return []
        with open_views(self.dirs.store) as views:
            found = list(itertools.takewhile(bool, map(views.job, itertools.count(1))))
        return [job for job in found if job and source in {None, job.file}]

    def events(self, job: JobView) -> list[str]:
        with open_views(self.dirs.store) as views:
            return [past.event for past in views.history(job.id)]

    def results(self, folder: Path | None = None) -> list[str]:
        """Every file in the output folder, unfinished ones too."""
        folder = folder or self.outbox
        return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())

    # What one waits for

    def wait_until(self, condition: Condition, what: str) -> None:
        """Poll `condition` while the daemon lives."""
        self._wait(condition, what, RESULT_LIMIT_S)

    def wait_done(self, *sources: Path) -> list[JobView]:
        """The jobs of these files; each is done when this returns."""
        for source in sources:
            self.wait_until(partial(self._newest_has_ended, source), f"{source.name} is done")
        jobs = [self.jobs(source)[-1] for source in sources]
        assert [job.state for job in jobs] == [JobState.DONE] * len(jobs), jobs
        return jobs

    def wait_failed(self, source: Path) -> JobView:
        self.wait_until(partial(self._newest_has_ended, source), f"{source.name} has failed")
        job = self.jobs(source)[-1]
        assert job.state == JobState.FAILED, job
        return job

    def wait_in_the_middle(self, source: Path) -> None:
        """Until the device has done a part of this image, and less than half."""

        def is_in_the_middle() -> bool:
            return any(
                job["file"] == str(source)
                and job["stage"] == "upscale"
                and 0 < job["done"] < job["total"] / 2
                for job in self.status()["running"]
            )

        self.wait_until(is_in_the_middle, f"{source.name} is on the device")

    def _newest_has_ended(self, source: Path) -> bool:
        states = [JobState(job.state) for job in self.jobs(source)]
        return bool(states) and states[-1] not in {JobState.WAITING, JobState.RUNNING}

    def _wait(self, condition: Condition, what: str, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if self.child is not None and (code := self.child.poll()) is not None:
                if condition():
                    return
                pytest.fail(f"the daemon ended with {code} before {what}")
            if time.monotonic() > deadline:
                pytest.fail(f"not within {timeout_s:g} s: {what}; there is {self.jobs()}")
            time.sleep(0.02)

    def end(self) -> None:
        """At once, and with all that it started."""
        if self.child is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            started = psutil.Process(self.child.pid).children(recursive=True)
            self.child.kill()
            for child in started:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            psutil.wait_procs(started, timeout=5)
        self.child.wait()


def is_gone(pid: int) -> bool:
    """Dead, whether or not somebody has asked how it ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


MakeDaemon = Callable[..., Daemon]


@pytest.fixture(scope="session")
def models_folder(x4plus_file: Path) -> Path:
    """The default model, unpacked, where no daemon has to fetch it."""
    return next(folder for folder in x4plus_file.parents if folder.name == "models")


@pytest.fixture
def make_daemon(tmp_path: Path, home: Path, models_folder: Path) -> Iterator[MakeDaemon]:
    """`make_daemon(name="daemon", **options)`: folders of its own, not started yet."""
    made: list[Daemon] = []

    def make(name: str = "daemon", **options: Any) -> Daemon:
        made.append(Daemon(tmp_path / name, models_folder, home=home, **options))
        return made[-1]

    yield make
    for daemon in made:
        daemon.end()
        _show(daemon)


@pytest.fixture
def daemon(make_daemon: MakeDaemon) -> Daemon:
    """One that runs, with one rule: `inbox` to `outbox`."""
    daemon = make_daemon()
    daemon.configure()
    daemon.start()
    return daemon


@dataclass(frozen=True, slots=True)
class Wish:
    """What a module wants of its `shared` daemon."""

    rules: Rules = field(default_factory=lambda: {"photos": {}})
    bound_by_permissions: bool = False


@pytest.fixture(scope="module")
def wish() -> Wish:
    """For a module to replace."""
    return Wish()


@pytest.fixture(scope="module")
def _shared(
    tmp_path_factory: pytest.TempPathFactory, models_folder: Path, wish: Wish
) -> Iterator[Daemon]:
    daemon = Daemon(
        tmp_path_factory.mktemp("shared"),
        models_folder,
        bound_by_permissions=wish.bound_by_permissions,
    )
    daemon.configure(wish.rules)
    try:
        daemon.start()
        # What it starts has to be there before the first test looks for leftovers.
        daemon.wait_until(daemon.is_ready, "it is ready")
        yield daemon
    finally:
        daemon.end()


@pytest.fixture
def shared(_shared: Daemon) -> Iterator[Daemon]:
    """One that runs, shared by the tests of a module: use names that no other test uses."""
    yield _shared
    _show(_shared)


def _show(daemon: Daemon) -> None:
    # pytest shows it for tests that fail.
    sys.stdout.write(f"-- log of {daemon.folder.name}\n{daemon.log}")
