"""A user's own command on a picture, by way of files of its own."""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from upscaled.errors import BadResult, CommandFailed, Interrupted, UpscaledError
from upscaled.image.decode import decode
from upscaled.image.encode import encode
from upscaled.image.picture import Picture

_POLL_S = 0.05
_MOST_BYTES = 4_000_000_000


def run_command(
    picture: Picture, command: Sequence[str], *, timeout_s: float, cancelled: Callable[[], bool]
) -> Picture:
    """`command` with `{input}` and `{output}` as the names of PNG files; no shell in between.

    The picture that it writes takes the place of `picture`; colour profile and metadata stay.

    Raises:
        CommandFailed: it cannot be started, ends with a status, or takes longer than `timeout_s`.
        BadResult: it wrote nothing, or no image.
        Interrupted: `cancelled` said so; the command and its children are gone.
    """
    with tempfile.TemporaryDirectory(prefix="upscaled-") as made:
        folder = Path(made)
        source, target, said = folder / "input.png", folder / "output.png", folder / "said"
        source.write_bytes(encode(picture, "png")[0])
        names = {"input": str(source), "output": str(target)}
        words = [_filled(word, names) for word in command]
        _run(words, folder, said, timeout_s, cancelled)
        return _taken(picture, target, words[0])


def _filled(word: str, names: dict[str, str]) -> str:
    for name, path in names.items():
        word = word.replace(f"{{{name}}}", path)
    return word


def _run(
    words: list[str], folder: Path, said: Path, timeout_s: float, cancelled: Callable[[], bool]
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
    try:
        with said.open("wb") as output:
            child = subprocess.Popen(  # noqa: S603  the user's own, and no shell
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
    except OSError as error:
        raise CommandFailed(
            f"{words[0]}: {error.strerror or error}", hint="check `command:` of the component"
        ) from error
    try:
        status = _wait(child, words[0], timeout_s, cancelled)
    finally:
        # Also what it left running: a child of its own may hold on to the files.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    if status != 0:
        ended = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        words_of_it = _last_line(said)
        raise CommandFailed(
            f"{words[0]} {ended}" + (f": {words_of_it}" if words_of_it else ""),
            hint="try the command by hand",
        )


def _wait(
    child: subprocess.Popen[bytes], name: str, timeout_s: float, cancelled: Callable[[], bool]
) -> int:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return child.wait(_POLL_S)
        except subprocess.TimeoutExpired:
            if cancelled():
                raise Interrupted from None
            if time.monotonic() > deadline:
                raise CommandFailed(
                    f"{name} was not done within {timeout_s:g} s",
                    hint="give it more time with `timeout:`",
                ) from None


def _last_line(said: Path) -> str:
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
