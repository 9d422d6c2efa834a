"""What each command of the command line uses to ask the daemon."""

import contextlib
import socket
from pathlib import Path
from typing import Any

from upscaled.control import protocol
from upscaled.control.address import short_address
from upscaled.control.holder import Holder, holder_of
from upscaled.dirs import Dirs
from upscaled.errors import ControlError, DaemonNotRunning, DaemonUnreachable

_TIMEOUT_S = 10.0


def ask(dirs: Dirs, request: protocol.Request, *, timeout_s: float = _TIMEOUT_S) -> dict[str, Any]:
    """The reply of the daemon of these folders.

    Raises:
        DaemonNotRunning: there is none.
        DaemonUnreachable: there is one, and nothing listens for it.
        UsageError: it does not know the rule or job that was named.
        ControlError: it refused, or did not answer in time.
    """
    try:
        return ask_at(dirs.socket, request, timeout_s=timeout_s)
    except DaemonNotRunning:
        holder = holder_of(dirs.lock)
        if holder is None:
            raise
        if holder.socket not in {None, dirs.socket}:
            with contextlib.suppress(DaemonNotRunning):
                return ask_at(holder.socket, request, timeout_s=timeout_s)
        raise _unreachable(holder) from None


def _unreachable(holder: Holder) -> DaemonUnreachable:
    error = DaemonUnreachable(
        f"the daemon runs (pid {holder.pid or 'unknown'}), but its control socket is not there",
        hint="it makes a new one within seconds; or: upscaled down",
    )
    error.pid = holder.pid
    return error


def ask_at(
    path: Path, request: protocol.Request, *, timeout_s: float = _TIMEOUT_S
) -> dict[str, Any]:
    """The reply of whoever listens at this socket.

    Raises: as `ask`; DaemonNotRunning: nobody listens.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout_s)
        try:
            with short_address(path) as address:
                sock.connect(address)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
            raise DaemonNotRunning(
                "the daemon is not running",
                hint="start it: upscaled up (or: systemctl --user start upscaled)",
            ) from error
        except OSError as error:
            raise ControlError(f"cannot reach the daemon at {path}: {error}") from error
        try:
            # A daemon that refuses this client at once has answered before it was asked.
            with contextlib.suppress(BrokenPipeError):
                sock.sendall(protocol.encode_request(request))
            with sock.makefile("rb") as stream:
                line = stream.readline(protocol.MAX_REPLY_BYTES)
        except TimeoutError as error:
            raise ControlError(
                f"the daemon did not answer in {timeout_s:g} s",
                hint="look at its log: journalctl --user -u upscaled",
            ) from error
        except OSError as error:
            raise DaemonNotRunning("the daemon went away while it was asked") from error
    if not line:
        raise DaemonNotRunning("the daemon went away while it was asked")
    return protocol.decode_reply(line)
