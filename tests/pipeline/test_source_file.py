"""A source is read once, whole, and as the very file that was queued."""

import hashlib
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.builders import order
from upscaled.errors import (
    EnvironmentTrouble,
    SourceChanged,
    SourceVanished,
    UnsupportedImage,
)
from upscaled.job import Fingerprint
from upscaled.output.source_cleanup import fingerprint
from upscaled.pipeline.source_file import is_unchanged, read


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "caf\udce9.png"
    path.write_bytes(b"bytes")
    return path


def found(path: Path) -> Fingerprint:
    known = fingerprint(path)
    assert known
    return known


def test_all_bytes_are_read_with_their_digest(source: Path, tmp_path: Path) -> None:
    got = read(order(source, tmp_path, fingerprint=found(source)))
    assert got.content == b"bytes"
    assert got.sha256 == hashlib.sha256(b"bytes").hexdigest()
    assert got.fingerprint == found(source)


@pytest.mark.parametrize("field", ["inode", "size_bytes", "mtime_ns"])
def test_another_file_than_was_queued_has_changed(source: Path, tmp_path: Path, field: str) -> None:
    queued = replace(found(source), **{field: getattr(found(source), field) + 1})
    with pytest.raises(SourceChanged):
        read(order(source, tmp_path, fingerprint=queued))


def test_another_number_of_its_device_is_no_change(source: Path, tmp_path: Path) -> None:
    queued = replace(found(source), device=found(source).device + 1)
    assert read(order(source, tmp_path, fingerprint=queued)).content == b"bytes"


def test_a_file_that_grows_while_it_is_read_has_changed(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.fstat, []

    def fstat(fd: int) -> os.stat_result:
        calls.append(fd)
        if len(calls) == 2:
            with source.open("ab") as stream:
                stream.write(b"more")
        return real(fd)

    monkeypatch.setattr("upscaled.pipeline.source_file.os.fstat", fstat)
    with pytest.raises(SourceChanged):
        read(order(source, tmp_path))


def test_what_is_not_there_has_vanished(source: Path, tmp_path: Path) -> None:
    for missing in (tmp_path / "none.png", source / "below a file.png"):
        with pytest.raises(SourceVanished):
            read(order(missing, tmp_path))
        assert not is_unchanged(missing, found(source))


@pytest.mark.parametrize("kind", ["folder", "link", "pipe", "device"])
def test_what_is_no_regular_file_is_unsupported(tmp_path: Path, source: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(source)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path = Path("/dev/zero")
    with pytest.raises(UnsupportedImage):
        read(order(path, tmp_path))
    assert not is_unchanged(path, found(source))


def test_a_socket_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    address = Path(os.environ["XDG_RUNTIME_DIR"]) / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        with pytest.raises((UnsupportedImage, EnvironmentTrouble)):
            read(order(address, tmp_path))


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "I/O")])
def test_trouble_of_the_machine_is_told_as_such(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(EnvironmentTrouble) as caught:
        read(order(source, tmp_path))
    assert "ls -l" in caught.value.hint
