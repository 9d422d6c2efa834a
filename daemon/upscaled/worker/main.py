"""The worker's own life: started with one end of a socket, ends when the other end does."""

import contextlib
import ctypes
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

from upscaled import log
from upscaled.errors import ExitCode
from upscaled.worker.decode_guard import DecodeGuard
from upscaled.worker.lanes import Lanes
from upscaled.worker.messages import (
    Beat,
    Begin,
    Channel,
    Committed,
    DuplicateVerdict,
    FromWorker,
    GaveUp,
    Ruling,
    Run,
    Stop,
    ToWorker,
    Warm,
)
from upscaled.worker.residents import Residents

_log = logging.getLogger(__name__)
_BEAT_S = 1.0


def main(arguments: Sequence[str]) -> int:
    """`python -m upscaled.worker FD PARENT_PID`; only the supervisor starts it."""
    descriptor, parent_pid = int(arguments[0]), int(arguments[1])
    try:
        die_with_parent(parent_pid)
    except ProcessLookupError:
        return ExitCode.ERROR
    be_killed_first()
    # Ctrl-C reaches the whole terminal's group: the supervisor decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    log.set_up()
    threading.excepthook = _end_with_it
    channel = Channel(socket.socket(fileno=descriptor))
    messages = channel.receive(ToWorker)
    begin = next(messages, None)
    if not isinstance(begin, Begin):
        return ExitCode.ERROR
    _serve(channel, begin, messages)
    return ExitCode.OK


def _end_with_it(args: threading.ExceptHookArgs) -> None:
    """A worker without one of its threads would beat on and do nothing; another one is started."""
    name = args.thread.name if args.thread is not None else "?"
    error = args.exc_value or args.exc_type()
    _log.critical("a bug: the thread %s died, and the worker with it", name, exc_info=error)
    os._exit(ExitCode.ERROR)


def _serve(channel: Channel, begin: Begin, messages: Iterator[ToWorker]) -> None:
    def send(message: FromWorker) -> None:
        try:
            channel.send(message)
        except OSError:
            # Nobody is left to answer for; the next supervisor sweeps what is half done.
            os._exit(ExitCode.ERROR)

    def give_up(reason: str) -> None:
        _log.critical("%s: the worker ends", reason)
        send(GaveUp(reason))
        os._exit(ExitCode.ERROR)

    stopping = threading.Event()
    guard = DecodeGuard(give_up)
    residents = Residents(begin, send, stopping.is_set)
    lanes = Lanes(residents, send, stopping, mark=begin.mark, guard=guard)
    lanes.start()
    guard.start()
    threading.Thread(target=_beat, args=(send, residents), name="beat", daemon=True).start()
    for message in messages:
        match message:
            case Run(order):
                lanes.submit(order)
            case Warm():
                lanes.submit(message)
            case Ruling() | DuplicateVerdict() | Committed():
                lanes.ledger.answer(message)
            case Stop():
                stopping.set()
                # Its own thread: answers still have to be read for what is being published.
                threading.Thread(target=_end, args=(lanes,), name="end", daemon=True).start()
            case _:
                _log.error("did not expect %s", type(message).__name__)
    os._exit(ExitCode.ERROR)


def _end(lanes: Lanes) -> None:
    lanes.stop()
    sys.stderr.flush()
    # Threads inside torch or a decoder need not be waited for.
    os._exit(ExitCode.OK)


def _beat(send: Callable[[FromWorker], None], residents: Residents) -> None:
    own = psutil.Process()
    pause = threading.Event()
    while not pause.wait(_BEAT_S):
        used, free = residents.memory_bytes or (own.memory_info().rss, None)
        send(Beat(used, residents.tile_px, free, residents.compilation))


_PR_SET_PDEATHSIG = 1
_OOM_SCORE_MOST = 1000


def die_with_parent(parent_pid: int) -> None:
    """SIGKILL for this process when the thread that started it ends (prctl(2)).

    Raises:
        ProcessLookupError: the parent died before the kernel could be asked.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        raise ProcessLookupError("the supervisor is gone")


def be_killed_first() -> None:
    """Make the OOM killer take the worker, which can be started again, not the supervisor."""
    # Raising one's own score needs no privilege; a container may hide the file.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE_MOST), encoding="ascii")
