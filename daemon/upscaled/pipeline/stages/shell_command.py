"""A user's own command on a picture, by way of files of its own."""

import json
import os
import secrets
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from upscaled.errors import (
    BadResult,
    CommandFailed,
    EnvironmentTrouble,
    StopRequested,
    UpscaledError,
)
from upscaled.image.decode.decode import decode
from upscaled.image.encode.encode import encode
from upscaled.image.picture import Picture
from upscaled.pipeline.stages import command_reaper

_POLL_S = 0.05
_MOST_BYTES = 4_000_000_000
_MOST_ANSWER_BYTES = 1_000


def run_command(
    picture: Picture, command: Sequence[str], *, timeout_s: float, cancelled: Callable[[], bool]
) -> Picture:
    """`command` with `{input}` and `{output}` as the names of PNG files; no shell in between.

    The picture that it writes takes the place of `picture`; colour profile and metadata stay.

    Raises:
        CommandFailed: it cannot be started, ends with a status, or takes longer than `timeout_s`.
        BadResult: it wrote nothing, or no image.
        EnvironmentTrouble: there is no place for its files.
        Interrupted: `cancelled` said so; the command and its children are gone.
    """
    with _leashed() as (held, folder):
        source, target = folder / "input.png", folder / "output.png"
        source.write_bytes(encode(picture, "png")[0])
        names = {"input": str(source), "output": str(target)}
        words = [_filled(word, names) for word in command]
        assert held.stdin is not None  # noqa: S101  (it is a pipe)
        held.stdin.write(json.dumps(words).encode() + b"\n")
        held.stdin.flush()
        _check(
            _answer(held, words[0], timeout_s, cancelled), words[0], folder / command_reaper.SAID
        )
        return _taken(picture, target, words[0])


@contextmanager
def _leashed() -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """Whoever holds the command, and an empty folder; both are gone afterwards, come what may."""
    folder = Path(tempfile.gettempdir(), f"upscaled-{secrets.token_hex(8)}")
    environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
    held = subprocess.Popen(  # noqa: S603  (a program of our own)
        [sys.executable, "-I", "-S", command_reaper.__file__, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    assert held.stdout is not None  # noqa: S101  (it is a pipe)
    try:
        if held.stdout.readline() != b"ready\n":
            raise EnvironmentTrouble(
                f"cannot make a folder in {folder.parent}", hint=f"df -h {folder.parent}"
            )
        yield held, folder
    finally:
        # The end of its stdin tells it to end the command and to tidy up.
        held.communicate()


def _filled(word: str, names: dict[str, str]) -> str:
    for name, path in names.items():
        word = word.replace(f"{{{name}}}", path)
    return word


def _answer(
    held: "subprocess.Popen[bytes]", name: str, timeout_s: float, cancelled: Callable[[], bool]
) -> str:
    assert held.stdout is not None  # noqa: S101  (it is a pipe)
    deadline = time.monotonic() + timeout_s
    while not select.select([held.stdout], [], [], _POLL_S)[0]:
        if cancelled():
            raise StopRequested
        if time.monotonic() > deadline:
            raise CommandFailed(
                f"{name} was not done within {timeout_s:g} s",
                hint="give it more time with `timeout:`",
            )
    return os.read(held.stdout.fileno(), _MOST_ANSWER_BYTES).decode()


def _check(answer: str, name: str, said: Path) -> None:
    kind, _, number = answer.strip().partition(" ")
    if kind == "errno":
        raise CommandFailed(
            f"{name}: {os.strerror(int(number))}", hint="check `command:` of the component"
        )
    status = int(number) if kind == "status" else None
    if status == 0:
        return
    if status is None:
        ended = "was killed with all around it"
    elif status < 0:
        ended = f"was killed by signal {-status}"
    else:
        ended = f"ended with status {status}"
    words_of_it = _last_line(said)
    raise CommandFailed(
        f"{name} {ended}" + (f": {words_of_it}" if words_of_it else ""),
        hint="try the command by hand",
    )


def _last_line(said: Path) -> str:
    if not said.exists():
        return ""
    text = said.read_bytes()[-2000:].decode("utf-8", "replace").strip()
    return text.rpartition("\n")[2][:200]


def _taken(picture: Picture, target: Path, name: str) -> Picture:
    if target.is_symlink() or not target.is_file():
        raise BadResult(f"{name} wrote no image", hint="it has to write the file {output}")
    if target.stat().st_size > _MOST_BYTES:
        raise BadResult(f"{name} wrote an image that is too large")
    try:
        given = decode(target.read_bytes())
    except UpscaledError as error:
        raise BadResult(f"{name} wrote no image: {error.message}") from error
    gray = picture.gray and given.gray
    return replace(picture, colour=given.colour, alpha=given.alpha, gray=gray)
