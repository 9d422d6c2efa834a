"""Servers that say what a package index, a hub and a web server say, and can misbehave."""

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    sent: int | None = None
    """Bytes of the body after which the connection is cut."""


class WebServer:
    """Answers GET and HEAD by `reply`; honours ranges; remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str | None]] = []
        """(method, path, range)."""
        self.cut_once_at: int | None = None
        self.stall_at: int | None = None
        """Bytes of a long body after which nothing more comes until the server ends."""
        self.closing = threading.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reply(self, path: str, headers: dict[str, str]) -> Reply:
        raise NotImplementedError

    @contextlib.contextmanager
    def serving(self) -> Iterator[Self]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.answer(self)

            def do_HEAD(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        server.daemon_threads = False
        self.port = server.server_port
        self.closing.clear()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            server.shutdown()
            server.server_close()
            thread.join()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = unquote(urlsplit(handler.path).path)
        ranged = handler.headers.get("Range")
        self.asked.append((handler.command, path, ranged))
        reply = self.reply(path, {name.lower(): value for name, value in handler.headers.items()})
        body = reply.body
        if ranged and reply.status == 200:
            start = int(ranged.removeprefix("bytes=").rstrip("-"))
            reply.headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            body, reply.status = body[start:], 206
        handler.send_response(reply.status)
        # Told, or a client takes the connection again, and meets its end.
        handler.send_header("Connection", "close")
        for name, value in {"Content-Length": str(len(body)), **reply.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command == "GET":
            with contextlib.suppress(ConnectionError):
                self.send(handler, body)

    def send(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        if self.cut_once_at is not None and len(body) > self.cut_once_at:
            cut, self.cut_once_at = self.cut_once_at, None
            handler.wfile.write(body[:cut])
        elif self.stall_at is not None and len(body) > self.stall_at:
            handler.wfile.write(body[: self.stall_at])
            handler.wfile.flush()
            self.closing.wait(60)
        else:
            handler.wfile.write(body)


class FileServer(WebServer):
    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__()
        self.files = files

    def reply(self, path: str, headers: dict[str, str]) -> Reply:  # noqa: ARG002  the seam's
        return Reply(body=self.files[path]) if path in self.files else Reply(404)


class Index(WebServer):
    """A package index by PEP 503 with one wheel."""

    def __init__(self, wheel: Path) -> None:
        super().__init__()
        self.wheel = wheel
        self.project = wheel.name.partition("-")[0].replace("_", "-")

    @property
    def downloads(self) -> int:
        return sum(path.endswith(".whl") for method, path, _ in self.asked if method == "GET")

    def reply(self, path: str, headers: dict[str, str]) -> Reply:  # noqa: ARG002  the seam's
        if path == f"/simple/{self.project}/":
            link = f'<a href="/files/{self.wheel.name}">{self.wheel.name}</a>'
            return Reply(body=link.encode(), headers={"Content-Type": "text/html"})
        if path == f"/files/{self.wheel.name}":
            return Reply(body=self.wheel.read_bytes())
        return Reply(404)


@dataclass
class Repository:
    files: dict[str, bytes]
    revisions: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Further branches and tags; `main` is `files`."""
    token: str | None = None
    gated: bool = False
    etag: str | None = None
    """Said instead of the sha256."""

    def refusal(self, authorization: str | None) -> Reply | None:
        if self.token and authorization != f"Bearer {self.token}":
            return _error(401, "RepoNotFound")
        return _error(403, "GatedRepo") if self.gated else None

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        for name, files in {"main": self.files, **self.revisions}.items():
            listing = repr(sorted((n, hashlib.sha256(b).hexdigest()) for n, b in files.items()))
            commit = hashlib.sha1(f"{name}{listing}".encode()).hexdigest()  # noqa: S324  git's
            if revision in (name, commit):
                return commit, files
        return None


class HubServer(WebServer):
    """As much of the hub's protocol as a download takes."""

    def __init__(self) -> None:
        super().__init__()
        self.repositories: dict[str, Repository] = {}

    def reply(self, path: str, headers: dict[str, str]) -> Reply:
        parts = path.strip("/").split("/")
        api = parts[:2] == ["api", "models"]
        parts = parts[2:] if api else parts
        repository = self.repositories.get("/".join(parts[:2]))
        if repository is None:
            return _error(404, "RepoNotFound")
        found = repository.at(parts[3])
        if found is None or (refusal := repository.refusal(headers.get("authorization"))):
            return _error(404, "RevisionNotFound") if found is None else refusal
        commit, files = found
        if api:
            tree = [
                {"type": "file", "path": name, "size": len(body), "oid": "0" * 40}
                for name, body in files.items()
            ]
            return Reply(body=json.dumps(tree).encode(), headers=_json())
        body = files.get("/".join(parts[4:]))
        if body is None:
            return _error(404, "EntryNotFound", commit)
        etag = repository.etag or hashlib.sha256(body).hexdigest()
        return Reply(body=body, headers={"ETag": f'"{etag}"', "X-Repo-Commit": commit})


def _json() -> dict[str, str]:
    return {"Content-Type": "application/json"}


def _error(status: int, code: str, commit: str | None = None) -> Reply:
    headers = {"X-Error-Code": code, "X-Error-Message": code}
    if commit:
        headers["X-Repo-Commit"] = commit
    return Reply(status, headers=headers)
