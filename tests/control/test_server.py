"""Both ends of the control socket, on a real one: whatever a client does, others are answered."""

import contextlib
import gc
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upscaled.control import protocol
from upscaled.control import server as module
from upscaled.control.client import ask_at as ask
from upscaled.control.protocol import Request
from upscaled.control.server import Server, refuse
from upscaled.errors import ControlError, DaemonNotRunning, UsageError

Eventually = Callable[..., None]


def answer_late(reply: Future[dict[str, Any]]) -> None:
    # Who asked may have gone, as the supervisor knows too.
    if reply.set_running_or_notify_cancel():
        reply.set_result({"late": True})


def answer(request: Request, reply: Future[dict[str, Any]]) -> None:
    """A daemon that echoes, refuses, fails or keeps quiet, as it is asked."""
    match request.do:
        case "refuse":
            refuse(reply, UsageError("no such rule", hint="rules: photos"))
        case "fail":
            raise ZeroDivisionError
        case "fail later":
            refuse(reply, ZeroDivisionError("division"))
        case "later":
            threading.Timer(0.1, answer_late, [reply]).start()
        case "never":
            pass
        case "odd":
            reply.set_result({"path": Path("/x")})
        case _:
            reply.set_result({"do": request.do, **request.arguments})


@pytest.fixture
def path() -> Path:
    return Path(os.environ["XDG_RUNTIME_DIR"]) / "upscaled" / "control.sock"


@pytest.fixture
def server(path: Path) -> Iterator[Server]:
    server = Server(path, answer)
    server.start()
    yield server
    server.stop()
    assert not path.exists()
    assert not server.is_alive


@contextlib.contextmanager
def client(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(str(path))
        yield sock


def talk(path: Path, raw: bytes) -> Any:
    """What comes back for these bytes; None where the line is cut."""
    with client(path) as sock:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(raw)
        try:
            line = sock.makefile("rb").readline()
        except ConnectionResetError:
            return None
    return json.loads(line) if line else None


def is_well(path: Path) -> bool:
    return ask(path, Request("hello")) == {"do": "hello"}


@pytest.mark.usefixtures("server")
class TestAConversation:
    def test_a_request_is_answered(self, path: Path) -> None:
        arguments = {"name": "caf\udce9\n日本", "n": 3}
        assert ask(path, Request("echo", arguments)) == {"do": "echo", **arguments}

    def test_an_answer_may_take_a_while(self, path: Path) -> None:
        assert ask(path, Request("later")) == {"late": True}

    def test_several_requests_on_one_line_are_answered_in_turn(self, path: Path) -> None:
        with client(path) as sock:
            sock.sendall(b"".join(protocol.encode_request(Request(f"{n}")) for n in range(5)))
            lines = sock.makefile("rb")
            got = [json.loads(lines.readline())["result"]["do"] for _ in range(5)]
        assert got == ["0", "1", "2", "3", "4"]

    def test_a_refusal_comes_with_its_hint(self, path: Path) -> None:
        with pytest.raises(UsageError) as caught:
            ask(path, Request("refuse"))
        assert (caught.value.message, caught.value.hint) == ("no such rule", "rules: photos")

    @pytest.mark.parametrize("do", ["fail", "fail later", "odd"])
    def test_a_bug_in_one_answer_is_told_and_ends_nothing(self, path: Path, do: str) -> None:
        with pytest.raises(ControlError):
            ask(path, Request(do))
        assert is_well(path)

    @pytest.mark.parametrize(
        "raw",
        [
            b"\n",
            b"garbage\n",
            b"\x00\xff\xfe\n",
            b"[]\n",
            b"null\n",
            b"[" * 5000 + b"\n",
            b'{"v": 1}\n',
            b'{"v": 1, "do": 3}\n',
            b'{"v": 1, "do": "x", "arguments": []}\n',
            b'{"v": 2, "do": "status"}\n',
            b'{"do": "status"}\n',
            b'{"v": "1", "do": "status"}\n',
        ],
    )
    def test_what_is_no_request_is_refused(self, path: Path, raw: bytes) -> None:
        reply = talk(path, raw)
        assert reply["ok"] is False
        assert reply["error"]
        assert is_well(path)

    def test_another_version_is_told_what_to_do(self, path: Path) -> None:
        reply = talk(path, b'{"v": 99, "do": "status"}\n')
        assert "99" in reply["error"]
        assert "restart" in reply["hint"]

    def test_a_line_without_an_end_is_cut(self, path: Path) -> None:
        assert talk(path, b"x" * (protocol.MAX_REQUEST_BYTES * 4)) is None
        assert is_well(path)

    def test_half_a_line_and_a_hang_up_is_no_trouble(self, path: Path) -> None:
        with client(path) as sock:
            sock.sendall(b'{"v": 1, "do"')
        with client(path):
            pass
        assert is_well(path)

    def test_a_client_that_hangs_up_before_its_answer_is_no_trouble(self, path: Path) -> None:
        with client(path) as sock:
            sock.sendall(protocol.encode_request(Request("later")))
        assert is_well(path)
        assert ask(path, Request("later")) == {"late": True}

    def test_only_the_owner_may_come_near(self, path: Path) -> None:
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700


def test_two_hundred_idle_clients_keep_nobody_from_an_answer(
    path: Path, server: Server, eventually: Eventually
) -> None:
    with contextlib.ExitStack() as idle:
        for number in range(200):
            idle.enter_context(client(path))
            if number % 50 == 0:
                assert is_well(path)
        eventually(lambda: server._clients <= module._MOST_CLIENTS, timeout_s=30)
        assert is_well(path)
    eventually(lambda: server._clients == 0, timeout_s=30)
    assert is_well(path)


def test_clients_that_do_not_read_their_answers_keep_nobody_from_one(
    path: Path, server: Server, eventually: Eventually
) -> None:
    asked = protocol.encode_request(Request("echo", {"long": "x" * 50_000}))
    with contextlib.ExitStack() as slow:
        for _ in range(module._MOST_CLIENTS + 10):
            sock = slow.enter_context(client(path))
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError, ConnectionError):
                for _ in range(20):
                    sock.sendall(asked)
        assert is_well(path)
        eventually(lambda: server._clients <= module._MOST_CLIENTS, timeout_s=30)
        assert is_well(path)
    eventually(lambda: server._clients == 0, timeout_s=30)


def test_clients_that_wait_for_their_answers_are_not_let_go_for_others(
    path: Path, server: Server, eventually: Eventually
) -> None:
    with contextlib.ExitStack() as waiting:
        for _ in range(module._MOST_CLIENTS):
            waiting.enter_context(client(path)).sendall(protocol.encode_request(Request("never")))
        eventually(lambda: server._clients == module._MOST_CLIENTS and not server._quiet)
        with pytest.raises(ControlError, match="too many clients"):
            ask(path, Request("hello"))
    server.stop()


def test_idle_clients_are_let_go_in_time(
    path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_IDLE_S", 0.1)
    with client(path) as sock:
        assert sock.recv(1) == b""
    assert server.is_alive
    assert is_well(path)


def test_a_daemon_that_is_too_busy_says_so(
    path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ANSWER_S", 0.1)
    with pytest.raises(ControlError, match="too busy"):
        ask(path, Request("never"))
    assert server.is_alive


def test_stopping_lets_go_of_clients_that_wait(path: Path) -> None:
    server = Server(path, answer)
    server.start()
    with client(path) as idle, client(path) as asking:
        asking.sendall(protocol.encode_request(Request("never")))
        is_well(path)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 2
        assert idle.recv(1) == b""


def test_stopping_right_after_starting_is_no_trouble(path: Path) -> None:
    for _ in range(30):
        server = Server(path, answer)
        server.start()
        server.stop()


def test_a_server_that_was_never_started_leaves_nothing(path: Path) -> None:
    Server(path, answer)
    gc.collect()  # which tells of loops and sockets that nobody closed


def test_a_dead_socket_is_taken_over(path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    server = Server(path, answer)
    server.start()
    assert is_well(path)
    server.stop()


def test_a_folder_that_cannot_be_used_is_told_with_what_to_change(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ControlError) as caught:
        Server(tmp_path / "file" / "control.sock", answer).start()
    assert "XDG_RUNTIME_DIR" in caught.value.hint


def test_a_path_longer_than_a_socket_address_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100) / "control.sock"
    assert len(os.fsencode(deep)) > 108
    server = Server(deep, answer)
    server.start()
    assert is_well(deep)
    server.stop()
    assert not deep.exists()
    with pytest.raises(DaemonNotRunning):
        ask(deep, Request("hello"))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_is_refused(path: Path, server: Server) -> None:
    assert server.is_alive
    for folder in (path.parent, path.parent.parent):
        folder.chmod(0o755)
    path.chmod(0o666)
    with socket.socket(socket.AF_UNIX) as sock:
        os.seteuid(65_534)
        try:
            sock.connect(str(path))
        finally:
            os.seteuid(0)
        reply = json.loads(sock.makefile("rb").readline())
    assert reply["error"] == "another user's daemon"
    assert is_well(path)


# The asking end


def test_nobody_there_means_not_running(path: Path) -> None:
    with pytest.raises(DaemonNotRunning) as caught:
        ask(path, Request("hello"))
    assert "upscaled up" in caught.value.hint
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(DaemonNotRunning):
        ask(path, Request("hello"))


@contextlib.contextmanager
def daemon_that(path: Path, act: Callable[[socket.socket], None]) -> Iterator[None]:
    """Somebody else's answer to one client."""
    path.parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                act(sock)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


def test_a_daemon_that_hangs_is_not_waited_for_for_ever(path: Path) -> None:
    done = threading.Event()
    with daemon_that(path, lambda _: done.wait(10) and None):
        with pytest.raises(ControlError, match="did not answer"):
            ask(path, Request("hello"), timeout_s=0.1)
        done.set()


def test_a_daemon_that_dies_while_asked_is_not_running(path: Path) -> None:
    with daemon_that(path, lambda sock: sock.recv(9) and None), pytest.raises(DaemonNotRunning):
        ask(path, Request("hello"))


@pytest.mark.parametrize("line", [b"garbage\n", b"[]\n", b"{}\n", b'{"ok": true', b'{"ok": 1}\n'])
def test_an_answer_that_is_none_is_told(path: Path, line: bytes) -> None:
    def act(sock: socket.socket) -> None:
        sock.recv(9999)
        sock.sendall(line)

    with daemon_that(path, act), pytest.raises(ControlError):
        ask(path, Request("hello"))


# The protocol

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)
@given(st.text(), st.dictionaries(st.text(), JSON))
def test_requests_and_replies_come_through_as_they_were(do: str, arguments: dict[str, Any]) -> None:
    line = protocol.encode_request(Request(do, arguments))
    assert line.count(b"\n") == 1
    assert protocol.decode_request(line) == Request(do, arguments)
    assert protocol.decode_reply(protocol.encode_reply(arguments)) == arguments


@settings(deadline=None)
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_line_raises_anything_but_a_refusal(line: bytes) -> None:
    for decode in (protocol.decode_request, protocol.decode_reply):
        with contextlib.suppress(ControlError):
            decode(line)
