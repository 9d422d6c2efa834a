"""Runs the commands of hooks beside the main thread, and leaves nothing of them behind."""

import contextlib
import logging
import os
import select
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator

from upscaled import log
from upscaled.service.notify.hook_events import Call

_log = logging.getLogger(__name__)

THREADS = 2
MOST_WAITING = 1_000
"""More are left out: hooks that are slower than the device must not fill the memory."""
_LOOK_S = 0.1
"""Between two looks whether a command that says nothing has ended, or has to."""
_MOST_SAID_BYTES = 16_384
"""Of one run, in the log."""
_SHOWN = 200


class HookRunner:
    """Two threads, started when the first hook is due."""

    def __init__(self) -> None:
        self._due: deque[Call] = deque()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._running = 0
        self._troubles: dict[str, str] = {}

    @property
    def is_busy(self) -> bool:
        with self._changed:
            return bool(self._due or self._running)

    @property
    def troubles(self) -> tuple[str, ...]:
        """What failed when it was run last; a hook stands here once, until it succeeds."""
        with self._changed:
            return tuple(f"hook {name} {trouble}" for name, trouble in self._troubles.items())

    def submit(self, call: Call) -> None:
        """Never blocks."""
        with self._changed:
            if len(self._due) >= MOST_WAITING:
                self._complain(call, f"was left out: {MOST_WAITING} wait already")
                return
            if not self._threads:
                self._start()
            self._due.append(call)
            self._changed.notify()

    def keep(self, names: frozenset[str]) -> None:
        """The configuration has only these hooks now: troubles of others are over."""
        with self._changed:
            for name in self._troubles.keys() - names:
                del self._troubles[name]

    def stop(self, timeout_s: float) -> None:
        """Kill what runs; what waits is never run."""
        with self._changed:
            self._stopping.set()
            if self._due:
                _log.warning("the daemon ends: %d hooks are not run any more", len(self._due))
            self._due.clear()
            self._changed.notify_all()
        until = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0.0))

    def _start(self) -> None:
        for number in range(THREADS):
            thread = threading.Thread(target=self._serve, name=f"hooks-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self) -> None:
        while (call := self._next()) is not None:
            try:
                trouble = _run(call, self._stopping)
            except Exception as error:  # noqa: BLE001 (none of them is worth the daemon)
                _log.exception("hook %s", call.name)
                trouble = f"failed: {error}"
            with self._changed:
                self._running -= 1
                if trouble is not None:
                    self._complain(call, trouble)
                elif not self._stopping.is_set():
                    self._troubles.pop(call.name, None)

    def _next(self) -> Call | None:
        with self._changed:
            while not self._due and not self._stopping.is_set():
                self._changed.wait()
            if self._stopping.is_set():
                return None
            self._running += 1
            return self._due.popleft()

    def _complain(self, call: Call, trouble: str) -> None:
        self._troubles[call.name] = trouble
        _log.warning("hook %s %s", call.name, trouble, extra=log.fields(rule=call.rule))


def _run(call: Call, stopping: threading.Event) -> str | None:
    """What was wrong with it."""
    environment = {name: word for name, word in os.environ.items() if name != "NOTIFY_SOCKET"}
    program = call.command[0]
    # A file in memory, not a pipe: a command that does not read its stdin must not hold us up.
    with open(os.memfd_create("hook"), "w+b") as stdin:  # noqa: PTH123 (a descriptor)
        stdin.write(call.stdin())
        stdin.seek(0)
        try:
            child = subprocess.Popen(  # noqa: S603 (the user's own, and no shell)
                call.command,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment | call.variables(),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return f"failed: {program}: {getattr(error, 'strerror', None) or error}"
    with child:
        try:
            said, ended = _attend(child, call.timeout_s, stopping)
        finally:
            # While the leader is not reaped its number cannot be another group's.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            status = child.wait()
    for line in _lines(said):
        _log.info("hook %s: %s", call.name, line, extra=log.fields(rule=call.rule))
    if stopping.is_set() and not ended:
        _log.warning("the daemon ends: hook %s is killed", call.name)
        return None
    if not ended:
        return f"was not done within {call.timeout_s:g} s, and was killed"
    return _verdict(program, status, said)


def _verdict(program: str, status: int, said: bytes) -> str | None:
    if status == 0:
        return None
    how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    last = next(iter(reversed(list(_lines(said)))), "")
    return f"failed: {program} {how}" + (f": {last[:_SHOWN]}" if last else "")


def _attend(
    child: subprocess.Popen[bytes], timeout_s: float, stopping: threading.Event
) -> tuple[bytes, bool]:
    """What it said, and whether it ended by itself, before its time and ours were over."""
    assert child.stdout is not None  # noqa: S101 (for the type checker)
    pipe = child.stdout.fileno()
    os.set_blocking(pipe, False)
    said = bytearray()
    # Not select(): it knows no descriptor above 1023.
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    deadline = time.monotonic() + timeout_s
    is_open = True
    while True:
        has_ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        is_open = _hear(pipe, said) if is_open else False
        if has_ended:
            return bytes(said), True
        if stopping.is_set() or time.monotonic() > deadline:
            return bytes(said), False
        if is_open:
            poll.poll(_LOOK_S * 1000)
        else:
            stopping.wait(_LOOK_S)


def _hear(pipe: int, said: bytearray) -> bool:
    """Take what is there, keep the end of it; whether there may be more."""
    for _ in range(16):
        try:
            heard = os.read(pipe, 65_536)
        except BlockingIOError:
            return True
        if not heard:
            return False
        said += heard
        del said[:-_MOST_SAID_BYTES]
    return True


def _lines(said: bytes) -> Iterator[str]:
    for line in said.decode("utf-8", "replace").splitlines():
        if line.strip():
            yield line.rstrip()
