"""The worker as a child process: started, listened to, buried."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading

from upscaled.service.workers.executor import Deliver, Died, Said
from upscaled.worker.messages import Begin, Channel, FromWorker, GaveUp, ToWorker

_log = logging.getLogger(__name__)


class WorkerProcess:
    """Has to be made in the main thread: the child dies with the thread that made it."""

    def __init__(self, begin: Begin, deliver: Deliver) -> None:
        self._deliver = deliver
        ours, theirs = socket.socketpair()
        # -P: the folder the daemon was started in must not shadow a module.
        command = [sys.executable, "-P", "-m", "upscaled.worker"]
        try:
            self._child = subprocess.Popen(  # noqa: S603 (our own program)
                [*command, str(theirs.fileno()), str(os.getpid())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._channel = Channel(ours)
        self._thread = threading.Thread(target=self._listen, name="worker", daemon=True)
        self._thread.start()
        self.send(begin)

    @property
    def pid(self) -> int:
        return self._child.pid

    def send(self, message: ToWorker) -> None:
        try:
            self._channel.send(message)
        except OSError:
            # The listening thread sees the same end, and tells.
            _log.debug("the worker is gone: %s was not sent", type(message).__name__)

    def kill(self) -> None:
        self._child.kill()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _listen(self) -> None:
        reason = "its listener died"
        try:
            reason = self._hear_it_out()
        finally:
            # Whatever happened: a worker to whom nobody listens is a dead one.
            self._child.kill()
            code = self._child.wait()
            self._channel.close()
            self._deliver(Died(self, reason or _describe(code), code))

    def _hear_it_out(self) -> str:
        """Until the other end is gone; what was wrong with it, if that was the reason."""
        reason = ""
        try:
            for message in self._channel.receive(FromWorker):
                if isinstance(message, GaveUp):
                    reason = message.reason
                else:
                    self._deliver(Said(self, message))
        except OSError:
            pass
        except Exception as error:  # noqa: BLE001 (a deaf daemon would wait for ever)
            return f"it sent nonsense: {error}"
        return reason


def _describe(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = " (the kernel's OOM killer uses it)" if -code == signal.SIGKILL else ""
    return f"killed by {name}{hint}"
