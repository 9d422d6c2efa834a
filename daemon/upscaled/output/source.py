"""What becomes of a source once its result is durable: kept, moved or deleted by its rule."""

import contextlib
import errno
import itertools
import shutil
from pathlib import Path

from upscaled.errors import SourceChanged
from upscaled.job import Delivery, Fingerprint, JobState
from upscaled.output import durable, naming
from upscaled.output.publish import sha256_of, stands


def fingerprint(path: Path) -> Fingerprint | None:
    """What `stat` says now, symlinks not followed; None: there is nothing."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Fingerprint(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def dispose(
    source: Path,
    relative: Path,
    expected: Fingerprint,
    delivery: Delivery,
    state: JobState,
    *,
    mark: str,
) -> str | None:
    """Do what the rule says; a note for the job's history, None where the source stays.

    A source that is no longer the file that was worked on is left alone. `mark` stands in the
    names of temporary files. What was cut off before can be done again.

    Raises:
        OSError: as the system says; the source is still there, whole.
    """
    wish, folder = (
        (delivery.on_success, delivery.success_folder)
        if state is JobState.DONE
        else (delivery.on_failure, delivery.failure_folder)
    )
    if wish == "keep":
        return None
    found = fingerprint(source)
    if found is None:
        return "already gone"
    if not found.matches(expected):
        return "changed since; left where it is"
    match wish:
        case "delete":
            durable.remove(source)
            durable.sync_folder(source.parent)
            return "deleted"
        case "trash":
            # Few rules want it, and it may bring GLib with it.
            from send2trash import send2trash  # noqa: PLC0415

            send2trash(source)
            durable.sync_folder(source.parent)
            return "moved to the trash"
        case _:
            target = _move(source, _named(folder) / relative, expected, mark)
            return f"moved to {target}" if target else "changed since; left where it is"


def _named(folder: Path | None) -> Path:
    if folder is None:
        raise ValueError("a move needs a folder")
    return folder


def _move(source: Path, folder: Path, expected: Fingerprint, mark: str) -> Path | None:
    """Where it is now; None: it changed meanwhile, and stays."""
    durable.make_folder(folder)
    targets = (folder / naming.numbered(source.name, number) for number in itertools.count(1))
    try:
        target = next(
            t
            for t in targets
            if _is_there(source, t, expected) or _place(source, t, expected, mark)
        )
    except SourceChanged:
        return None
    durable.sync_folder(source.parent)
    return target


def _is_there(source: Path, target: Path, expected: Fingerprint) -> bool:
    """Finish a move that was cut off between its copy (or link) and the end of the source."""
    try:
        if target.lstat().st_size != source.lstat().st_size:
            return False
        if target.parent.samefile(source.parent):
            # A link or a bind mount that was made since the rules were read.
            raise OSError(errno.EINVAL, "it would be moved onto itself", str(source))
    except FileNotFoundError:
        return False
    digest = sha256_of(source)
    if digest is None or not stands(target, digest):
        return False
    return _leave(source, expected)


def _leave(source: Path, expected: Fingerprint) -> bool:
    """Remove a source whose copy is durable, if it is still the very file that was copied."""
    found = fingerprint(source)
    if found is None or not found.matches(expected):
        raise SourceChanged
    durable.remove(source)
    return True


def _place(source: Path, target: Path, expected: Fingerprint, mark: str) -> bool:
    """Whether it got this name; False: it is taken."""
    try:
        durable.place(source, target, replace=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return _carry(source, target, expected, mark)
    return True


def _carry(source: Path, target: Path, expected: Fingerprint, mark: str) -> bool:
    """As `_place`, to another file system, with times and mode."""
    written = durable.temporary(target, f"{mark}-move")
    durable.remove(written, missing_ok=True)
    try:
        with durable.opened(source) as fd, open(fd, "rb", closefd=False) as stream:
            durable.write(written, iter(lambda: stream.read(1 << 20), b""))
        found = fingerprint(source)
        if found is None or not found.matches(expected):
            raise SourceChanged
        # File systems without owners or modes refuse these; the bytes are what counts.
        with contextlib.suppress(PermissionError):
            shutil.copystat(source, written)
        durable.place(written, target, replace=False)
    except FileExistsError:
        return False
    finally:
        durable.remove(written, missing_ok=True)
    return _leave(source, expected)
