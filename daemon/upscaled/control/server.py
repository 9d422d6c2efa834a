"""The listening end, in a thread of its own: a slow client waits for itself alone."""

import asyncio
import contextlib
import logging
import os
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from upscaled.control import protocol
from upscaled.control.address import short_address
from upscaled.errors import ControlError, UpscaledError, UsageError

_log = logging.getLogger(__name__)
_IDLE_S = 30.0
_ANSWER_S = 60.0
_MOST_CLIENTS = 64
_BACKLOG = 100
_LOOK_S = 2.0
_UCRED = struct.Struct("3i")

T = TypeVar("T")
Handler = Callable[[protocol.Request, Future[dict[str, Any]]], None]
"""Called in the server's thread; must return at once, and settle the future from anywhere."""


class Server:
    def __init__(self, path: Path, handler: Handler) -> None:
        self._path = path
        self._handler = handler
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)
        self._stopping = asyncio.Event()
        self._clients = 0
        self._quiet: dict[asyncio.StreamWriter, None] = {}
        """Clients that are waited for, to ask or to read; the longest first."""

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        """Listen; the caller holds the state lock, so that a socket there is a dead one.

        Raises:
            ControlError: the runtime folder cannot be used.
        """
        try:
            self._listener = self._listen()
        except OSError as error:
            raise ControlError(
                f"cannot listen at {self._path}: {error.strerror or error}",
                hint="check the permissions of its folder, or set $XDG_RUNTIME_DIR to another one",
            ) from error
        self._loop = asyncio.new_event_loop()
        self._thread.start()

    def _listen(self) -> socket.socket:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.parent.chmod(0o700)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            with short_address(self._path) as address:
                listener.bind(address)
            self._path.chmod(0o600)
            # Here, not in the thread: once `start` returns, a client is heard.
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
        return listener

    def _has_name(self) -> bool:
        return os.path.lexists(self._path)

    def stop(self) -> None:
        # A thread that died has closed its loop.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._listen_until_stopped())
        finally:
            # However it ended: nobody is left waiting for an answer.
            remaining = asyncio.all_tasks(self._loop)
            for client in remaining:
                client.cancel()
            self._loop.run_until_complete(asyncio.gather(*remaining, return_exceptions=True))
            self._loop.close()

    async def _listen_until_stopped(self) -> None:
        while not self._stopping.is_set():
            server = await asyncio.start_unix_server(
                self._serve, sock=self._listener, limit=protocol.MAX_REQUEST_BYTES
            )
            await self._stopped_or_hidden()
            server.close()

    async def _stopped_or_hidden(self) -> None:
        """Until the end; or until the socket's name is gone, and there is another one."""
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _LOOK_S)
            # A name that is another's now belongs to another daemon: that is not fought over.
            if not self._stopping.is_set() and not self._has_name():
                try:
                    self._listener = self._listen()
                except OSError:
                    continue  # its folder cannot be made now
                _log.warning("%s was gone: the control socket is made anew", self._path)
                return

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            if _peer_uid(writer) not in {os.getuid(), 0}:
                writer.write(protocol.encode_refusal("another user's daemon", None))
            elif self._clients > _MOST_CLIENTS and not self._let_one_go():
                writer.write(protocol.encode_refusal("too many clients at once", "try again"))
            else:
                await self._converse(reader, writer)
            await asyncio.wait_for(writer.drain(), _IDLE_S)
        except (OSError, TimeoutError, asyncio.LimitOverrunError, ValueError):
            pass
        finally:
            self._clients -= 1
            writer.close()

    def _let_one_go(self) -> bool:
        """Whoever keeps the daemon waiting makes room for who asks it something."""
        if not self._quiet:
            return False
        longest = next(iter(self._quiet))
        del self._quiet[longest]
        longest.transport.abort()
        return True

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await self._waited(writer, reader.readline()):
            writer.write(await self._answer(line))
            await self._waited(writer, writer.drain())

    async def _waited(self, writer: asyncio.StreamWriter, client: Awaitable[T]) -> T:
        self._quiet[writer] = None
        try:
            return await asyncio.wait_for(client, _IDLE_S)
        finally:
            self._quiet.pop(writer, None)

    async def _answer(self, line: bytes) -> bytes:
        try:
            request = protocol.decode_request(line)
            future: Future[dict[str, Any]] = Future()
            self._handler(request, future)
            result = await asyncio.wait_for(asyncio.wrap_future(future), _ANSWER_S)
            return protocol.encode_reply(result)
        except UpscaledError as error:
            is_usage = isinstance(error, UsageError)
            return protocol.encode_refusal(error.message, error.hint, is_usage=is_usage)
        except TimeoutError:
            return protocol.encode_refusal("the daemon is too busy to answer", "try again")
        except Exception:  # noqa: BLE001 (a bug in one answer must not end the server)
            _log.exception("a bug, met while answering %r", line[:200])
            return protocol.encode_refusal("a bug in the daemon; its log has more", None)


def _peer_uid(writer: asyncio.StreamWriter) -> int:
    sock = writer.get_extra_info("socket")
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _, uid, _ = _UCRED.unpack(credentials)
    return int(uid)


def refuse(future: Future[dict[str, Any]], error: Exception) -> None:
    """Settle with an error; what is not ours is told as a bug."""
    future.set_exception(error if isinstance(error, UpscaledError) else ControlError(str(error)))
