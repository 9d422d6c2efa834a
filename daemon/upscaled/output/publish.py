"""A result to its place: durable, whole, never over what is not ours."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from upscaled.errors import OutputExists
from upscaled.output import durable

_MOST_NUMBERS = 10_000
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Published:
    path: Path
    sha256: str


def publish(
    payload: durable.Bytes,
    folder: Path,
    names: Iterator[str],
    *,
    mark: str,
    collision: str,
    announce: Callable[[Path, str], None],
    within: Path | None = None,
    mode: int = 0o666,
) -> Published:
    """Write `payload` under the first of `names` that the collision policy allows.

    `announce(path, sha256)` is called right before the file gets its final name: what it
    commits is how a later start knows the file for its own. A file with the very same bytes
    that stands there already is taken as published. Folders are made, but not `within`.
    `mode` is the new file's, before the umask.

    Raises:
        OutputExists: the policy is `fail` and the name is taken.
        OSError: as the system says; nothing is left behind.
    """
    digest, size_bytes = hashlib.sha256(payload).hexdigest(), memoryview(payload).nbytes
    durable.make_folder(folder, within=within)
    written = durable.temporary(folder / "x", mark)
    durable.remove(written, missing_ok=True)
    durable.write(written, (payload,), mode)
    try:
        for name, _ in zip(names, range(_MOST_NUMBERS), strict=False):
            target = folder / name
            # A name that is announced is free: what stands there after a crash is ours.
            if collision != "replace" and _is_taken(target, digest, size_bytes):
                if collision == "fail":
                    raise _exists(target)
                continue
            announce(target, digest)
            if _settle_on(target, written, digest, size_bytes, collision):
                return Published(target, digest)
    finally:
        durable.remove(written, missing_ok=True)
    raise OutputExists(f"no free name for {folder / name} in {_MOST_NUMBERS:,} tries")


def _settle_on(target: Path, written: Path, digest: str, size_bytes: int, collision: str) -> bool:
    if collision != "replace" and _holds(target, digest, size_bytes):
        durable.sync(target)
        return True
    try:
        durable.place(written, target, replace=collision == "replace")
    except FileExistsError:
        if collision == "fail":
            raise _exists(target) from None
        return False
    return True


def _exists(target: Path) -> OutputExists:
    return OutputExists(
        f"{target} exists already",
        hint="move it away, or set `collision: number` or `replace` in the rule",
    )


def _is_taken(target: Path, digest: str, size_bytes: int) -> bool:
    """Seen before it is announced: a commit for each taken name is seconds behind a thousand."""
    return os.path.lexists(target) and not _holds(target, digest, size_bytes)


def _holds(path: Path, digest: str, size_bytes: int) -> bool:
    """The size first: behind a thousand files of one name, none is read but for its twin."""
    try:
        return path.lstat().st_size == size_bytes and sha256_of(path) == digest
    except OSError:
        return False


def stands(path: Path, digest: str) -> bool:
    """Whether this very file is there; if so, it is durable now.

    A run that was killed right after the rename had not synced the folder yet.

    Raises:
        OSError: it is there, and cannot be made durable.
    """
    if sha256_of(path) != digest:
        return False
    durable.sync(path)
    return True


def resumed(path: Path, digest: str, store_id: str, job_id: int) -> bool:
    """As `stands`, for a file that was announced in a run that was cut off.

    Where its name was claimed by an empty file, the whole one beside it takes its place; or the
    claim goes, if there is none.

    Raises:
        OSError: it is there, and cannot be made durable.
    """
    if stands(path, digest):
        return True
    if not durable.is_claim(path):
        return False
    # In between stands the mark of the run.
    for written in path.parent.glob(f".{store_id}*-{job_id}.upscaled{durable.TEMPORARY_SUFFIX}"):
        if sha256_of(written) == digest:
            durable.place(written, path, replace=True)
            return True
    durable.remove(path)
    return False


def sha256_of(path: Path) -> str | None:
    """Hex digest of a regular file; None where there is none that can be read."""
    digest = hashlib.sha256()
    try:
        with durable.opened(path) as fd, open(fd, "rb", closefd=False) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError:
        return None
    return digest.hexdigest()


def sweep(folder: Path, mark: str, spare: str = "") -> int:
    """Remove what this daemon's dead workers left under temporary names; how many.

    Names of the mark `spare` are of a run that goes on, and stay.
    """
    count = 0
    # A folder that cannot be read or written now is no reason not to start.
    with contextlib.suppress(OSError):
        for path in folder.rglob(f".{mark}-*.upscaled{durable.TEMPORARY_SUFFIX}"):
            if not (spare and path.name.startswith(f".{spare}-")):
                durable.remove(path, missing_ok=True)
                count += 1
    return count
