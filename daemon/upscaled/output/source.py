"""What becomes of a source once its result is durable: kept, moved or deleted by its rule."""

import errno
import os
import shutil
from pathlib import Path

from upscaled.job import Delivery, Fingerprint, JobState
from upscaled.output import durable


def fingerprint(path: Path) -> Fingerprint | None:
    """What `stat` says now, symlinks not followed; None: there is nothing."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Fingerprint(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def dispose(
    source: Path, relative: Path, expected: Fingerprint, delivery: Delivery, state: JobState
) -> str | None:
    """Do what the rule says; a note for the job's history, None where the source stays.

    A source that is no longer the file that was worked on is left alone.

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
    if found != expected:
        return "changed since; left where it is"
    if wish == "delete":
        durable.remove(source)
        durable.sync_folder(source.parent)
        return "deleted"
    if folder is None:
        raise ValueError(f"{wish} needs a folder")
    return f"moved to {_move(source, folder / relative)}"


def _move(source: Path, folder: Path) -> Path:
    durable.make_folder(folder)
    number = 1
    while True:
        name = source.name if number == 1 else f"{source.stem}-{number}{source.suffix}"
        target = folder / name
        try:
            durable.place(source, target, replace=False)
        except FileExistsError:
            number += 1
            continue
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            if not _copy(source, target):
                number += 1
                continue
            durable.remove(source)
        durable.sync_folder(source.parent)
        return target


def _copy(source: Path, target: Path) -> bool:
    """To another file system, with times and mode; False: the name is taken."""
    written = durable.temporary(target, f"move-{os.getpid()}")
    durable.remove(written, missing_ok=True)
    with durable.opened(source) as fd, open(fd, "rb", closefd=False) as stream:
        durable.write(written, iter(lambda: stream.read(1 << 20), b""))
    shutil.copystat(source, written)
    try:
        durable.place(written, target, replace=False)
    except FileExistsError:
        durable.remove(written)
        return False
    return True
