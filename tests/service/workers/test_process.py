"""The real child: it dies with its parent, and its death is told with the reason."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import psutil
import pytest
from PIL import Image

from support.builders import order
from support.model_fixtures import CACHE
from upscaled.outcomes import Done
from upscaled.service.workers.executor import Died, Said
from upscaled.service.workers.process import WorkerProcess
from upscaled.worker.messages import (
    Announced,
    Beat,
    Begin,
    Committed,
    DuplicateVerdict,
    Finished,
    Identified,
    Resident,
    Run,
    Stop,
    Unusable,
    Warm,
)

Eventually = Callable[..., None]
BEGIN = Begin("cpu", "auto", None, str(CACHE / "models"), "mark", {}, {})


@pytest.fixture
def events() -> SimpleQueue[Any]:
    return SimpleQueue()


@pytest.fixture
def worker(events: SimpleQueue[Any]) -> Iterator[WorkerProcess]:
    worker = WorkerProcess(BEGIN, events.put)
    yield worker
    worker.kill()
    worker.join(10)


def until(events: SimpleQueue[Any], kind: type) -> Any:
    """The first event of this kind, or message of it."""
    while True:
        event = events.get(timeout=60)
        found = event.message if isinstance(event, Said) else event
        if isinstance(found, kind):
            return found
        assert not isinstance(found, Died | Unusable), found


def test_it_shows_itself_and_is_killed_before_its_parent(
    worker: WorkerProcess, events: SimpleQueue[Any]
) -> None:
    beat = until(events, Beat)
    assert beat.memory_bytes > 10_000_000
    assert Path(f"/proc/{worker.pid}/oom_score_adj").read_text().strip() == "1000"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGKILL, "killed by SIGKILL (the kernel's OOM killer uses it)"),
        (signal.SIGSEGV, "killed by SIGSEGV"),
    ],
)
def test_its_death_is_told_with_the_reason(
    worker: WorkerProcess, events: SimpleQueue[Any], number: signal.Signals, words: str
) -> None:
    os.kill(worker.pid, number)
    died = until(events, Died)
    assert (died.executor, died.reason, died.exit_code) == (worker, words, -number)
    worker.send(Stop())
    assert not psutil.pid_exists(worker.pid)


def test_signals_of_the_terminal_do_not_end_it(
    worker: WorkerProcess, events: SimpleQueue[Any]
) -> None:
    until(events, Beat)
    os.kill(worker.pid, signal.SIGINT)
    os.kill(worker.pid, signal.SIGTERM)
    until(events, Beat)
    worker.send(Stop())
    assert until(events, Died).exit_code == 0


def test_a_worker_that_sends_nonsense_is_ended(
    events: SimpleQueue[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (
        "import socket, sys, time; s = socket.socket(fileno=int(sys.argv[-2]));"
        "s.sendall(b'[' * 200000 + b'\\n'); time.sleep(60)"
    )
    real = subprocess.Popen

    def start(command: list[str], **options: Any) -> Any:
        return real([sys.executable, "-c", program, *command[-2:]], **options)

    monkeypatch.setattr(subprocess, "Popen", start)
    worker = WorkerProcess(BEGIN, events.put)
    died = until(events, Died)
    worker.join(10)
    assert "it sent nonsense" in died.reason
    assert not psutil.pid_exists(worker.pid)


@pytest.mark.parametrize(
    "death", ["lanes.Lanes._finish = dies", "main.psutil.Process = dies", "lanes.Lanes.stop = dies"]
)
def test_a_worker_ends_with_any_of_its_threads(
    events: SimpleQueue[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, death: str
) -> None:
    program = f"""
import sys
from upscaled.worker import lanes, main
def dies(*words, **named):
    raise RuntimeError("a bug")
{death}
sys.exit(main.main(sys.argv[1:]))
"""
    real = subprocess.Popen

    def start(command: list[str], **options: Any) -> Any:
        return real([sys.executable, "-c", program, *command[-2:]], **options)

    monkeypatch.setattr(subprocess, "Popen", start)
    worker = WorkerProcess(BEGIN, events.put)
    worker.send(Run(order(tmp_path / "none.png", tmp_path)))
    if "stop" in death:
        worker.send(Stop())
    while not isinstance(died := events.get(timeout=60), Died):
        pass
    worker.join(10)
    assert died.exit_code == 1


@pytest.mark.parametrize(
    ("decoder", "words"),
    [
        ("while True: pass", "decoding a.png took longer than 1 s"),
        (
            "kept.append(bytearray(b'x') * 50_000_000)",
            "decoding a.png took more than 0.1 GB of memory",
        ),
    ],
)
def test_a_decoder_without_end_is_the_end_of_the_worker_and_told(
    events: SimpleQueue[Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    decoder: str,
    words: str,
) -> None:
    limit = "LEAST_S = 1" if "longer" in words else "LEAST_BYTES = 100_000_000"
    program = f"""
import sys
from upscaled.image.decode import decode
from upscaled.worker import decode_guard, main
decode_guard.{limit}
kept = []
def endless(image):
    for _ in range(40):
        {decoder}
    while True: pass
decode.planes_of = endless
sys.exit(main.main(sys.argv[1:]))
"""
    real = subprocess.Popen

    def start(command: list[str], **options: Any) -> Any:
        return real([sys.executable, "-c", program, *command[-2:]], **options)

    monkeypatch.setattr(subprocess, "Popen", start)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    worker = WorkerProcess(BEGIN, events.put)
    worker.send(Run(order(tmp_path / "a.png", tmp_path / "out")))
    worker.send(DuplicateVerdict(until(events, Identified).job_id, None))
    died = until(events, Died)
    worker.join(10)
    assert (died.reason, died.exit_code) == (words, 1)


def test_a_worker_whose_listener_dies_is_buried(
    events: SimpleQueue[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(_: object) -> str:
        raise RuntimeError("a bug")

    monkeypatch.setattr(WorkerProcess, "_hear_it_out", dies)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    worker = WorkerProcess(BEGIN, events.put)
    assert until(events, Died).reason == "its listener died"
    worker.kill()
    worker.join(10)


def test_where_no_process_can_be_had_nothing_is_left_open(
    events: SimpleQueue[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(11, "Resource temporarily unavailable")

    before = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(OSError, match="temporarily"):
        WorkerProcess(BEGIN, events.put)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert threading.active_count() == len(threading.enumerate())


def test_it_dies_with_its_parent(eventually: Eventually) -> None:
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from upscaled.service.workers.process import WorkerProcess
from upscaled.worker.messages import Begin
worker = WorkerProcess(Begin("cpu", "auto", None, "/none", "mark", {{}}, {{}}), lambda event: None)
print(worker.pid, flush=True)
signal.pause()
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = psutil.Process(int(parent.stdout.readline()))
    # Only once the kernel has been asked; before that it sees that its parent is another.
    eventually(lambda: "upscaled.worker" in " ".join(child.cmdline()))
    parent.kill()
    parent.wait(10)
    parent.stdout.close()
    eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.usefixtures("x4plus_file")
def test_it_upscales_with_the_default_model(
    worker: WorkerProcess, events: SimpleQueue[Any], tmp_path: Path
) -> None:
    source = tmp_path / "caf\udce9.png"
    Image.new("RGB", (10, 6), (200, 100, 50)).save(source)
    worker.send(Warm("realesrgan-x4plus"))
    resident = until(events, Resident)
    assert (resident.model, resident.scale) == ("realesrgan-x4plus", 4)
    worker.send(Run(order(source, tmp_path / "out", model="realesrgan-x4plus", scale=4)))
    worker.send(DuplicateVerdict(until(events, Identified).job_id, None))
    announced = until(events, Announced)
    assert not announced.result.path.exists()
    worker.send(Committed(1))
    began = time.monotonic()
    finished = until(events, Finished)
    assert isinstance(finished.outcome, Done), finished
    assert time.monotonic() - began < 10
    with Image.open(finished.outcome.result.path) as image:
        assert image.size == (40, 24)
        red, green, blue = image.getpixel((20, 12))
    assert abs(red - 200) + abs(green - 100) + abs(blue - 50) < 30
