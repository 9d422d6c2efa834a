"""What becomes of a source once its result is durable: kept, moved or deleted by its rule.

Between a look at a name and what is done to it, another file may get that name. So the file is
first taken out of everybody's way, by a rename to a name of ours in the same folder; what was
taken is looked at once more, and put back where it is not the one that was worked on.
"""

import contextlib
import errno
import itertools
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from upscaled.cause import Cause
from upscaled.delivery import Delivery
from upscaled.errors import SourceChanged
from upscaled.filesystem import mount_guard
from upscaled.filesystem.open_writers import is_open_for_writing
from upscaled.job import Fingerprint, JobState, MountIdentity
from upscaled.outcomes import SourceFate
from upscaled.output import durable, naming
from upscaled.output.publish import sha256_of, stands

MountOf = Callable[[Path], MountIdentity | None]
OnMount = Callable[[Path, MountIdentity], None]

TAKEN_SUFFIX = ".source"
_CHANGED = SourceFate(Cause.LEFT_ALONE, "changed since; left where it is")
_WRITTEN_TO = SourceFate(Cause.LEFT_ALONE, "open in a program that writes to it; left where it is")
_log = logging.getLogger(__name__)


def fingerprint(path: Path) -> Fingerprint | None:
    """What `stat` says now, symlinks not followed; None: there is nothing."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Fingerprint(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def taken(source: Path, mark: str) -> Path:
    """Where it is while it is dealt with: hidden, ours by `mark`, and nobody's candidate."""
    return source.with_name(f".{mark}.upscaled{TAKEN_SUFFIX}")


def dispose(
    source: Path,
    relative: Path,
    expected: Fingerprint,
    delivery: Delivery,
    state: JobState,
    *,
    mark: str,
    taken_mark: str | None = None,
    mount_of: MountOf = lambda _: None,
    found: OnMount = lambda *_: None,
) -> SourceFate | None:
    """Do what the rule says; what came of it, None where the source is to stay.

    A source that is no longer the file that was worked on is left alone. `mark` stands in the
    names of temporary files; `taken_mark` (`mark`) is the job's own in all runs: what was cut off
    before is found by it, and finished. `mount_of` gives what a folder lay on
    the last time, and `found` is told what the one that the source goes to lies on now.

    Raises:
        DiskMissing: the source's disk, or that of the folder it is to go to, is not mounted.
        OSError: as the system says; the source is still there, whole.
    """
    wish, folder = (
        (delivery.on_success, delivery.success_folder)
        if state is JobState.DONE
        else (delivery.on_failure, delivery.failure_folder)
    )
    if wish == "keep":
        return None
    file = _Source(source, taken(source, taken_mark or mark), expected, mark)
    if not file.is_taken and (left := _why_left(file, relative, mount_of)) is not None:
        return left
    try:
        match wish:
            case "delete":
                fate = _delete(file)
            case "trash":
                fate = _throw_away(source)
            case _:
                base = _named(folder)
                with mount_guard.hold_mount(
                    base, mount_of(base), required=None, make=durable.make_folder
                ) as lies_on:
                    found(base, lies_on)
                    place = _move(file, base / relative, base)
                fate = SourceFate(Cause.MOVED, f"moved to {place}", place)
    except SourceChanged:
        return _CHANGED
    return fate


@dataclass(frozen=True, slots=True)
class _Source:
    path: Path
    private: Path
    """Where it is once it is taken."""
    expected: Fingerprint
    mark: str

    @property
    def is_taken(self) -> bool:
        return fingerprint(self.private) is not None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Take it; whatever happens meanwhile, it is not lost.

        Raises:
            SourceChanged: what was taken is another file, and is back; or it has just gone.
        """
        if not self.is_taken:
            try:
                self.path.rename(self.private)
            except FileNotFoundError:
                raise SourceChanged from None
        try:
            self.check()
            yield
        except BaseException:
            self._put_back()
            raise

    def check(self) -> None:
        """Raises SourceChanged where it is not the file that was worked on."""
        found = fingerprint(self.private)
        if found is None or not found.matches(self.expected):
            raise SourceChanged

    def _put_back(self) -> None:
        for number in itertools.count(1):
            target = self.path.with_name(naming.numbered(self.path.name, number))
            try:
                durable.rename_new(self.private, target)
            except FileExistsError:
                continue
            except FileNotFoundError:
                return
            except OSError as error:
                # The next try finds it there.
                _log.warning("%s stays at %s for now: %s", self.path, self.private.name, error)
                return
            if target != self.path:
                _log.warning("%s has a new file of its name, and is %s now", self.path, target.name)
            return


def _why_left(file: _Source, relative: Path, mount_of: MountOf) -> SourceFate | None:
    status = fingerprint(file.path)
    if status is None:
        _need_disk(file.path.parents[len(relative.parts)], mount_of)
        return SourceFate(Cause.SOURCE_GONE, "already gone")
    if not status.matches(file.expected):
        return _CHANGED
    return _WRITTEN_TO if is_open_for_writing(file.path) else None


def _named(folder: Path | None) -> Path:
    if folder is None:
        raise ValueError("a move needs a folder")
    return folder


def _need_disk(inbox: Path, mount_of: MountOf) -> None:
    """Raises DiskMissing where not only the source is gone."""
    if (before := mount_of(inbox)) is not None:
        mount_guard.check_mount(inbox, before, required=None)


def _delete(file: _Source) -> SourceFate:
    with file.held():
        durable.remove(file.private)
    durable.sync_folder(file.path.parent)
    return SourceFate(Cause.DELETED, "deleted")


def _throw_away(source: Path) -> SourceFate:
    # Few rules want it, and it may bring GLib with it.
    from send2trash import send2trash  # noqa: PLC0415

    # Under its own name, by which a person looks for it there; and what is there is not lost.
    send2trash(source)
    durable.sync_folder(source.parent)
    return SourceFate(Cause.TRASHED, "moved to the trash")


def _move(file: _Source, folder: Path, base: Path) -> Path:
    """Where it is now."""
    durable.make_folder(folder, within=base)
    if folder.samefile(file.path.parent):
        # A link or a bind mount that was made since the rules were read.
        raise OSError(errno.EINVAL, "it would be moved onto itself", str(file.path))
    was_cut_off = file.is_taken
    with file.held():
        target = next(
            target
            for target in _targets(folder, file.path.name)
            if _is_there(file, target) or _place(file, target, may_be_claimed=was_cut_off)
        )
    durable.sync_folder(file.path.parent)
    return target


def _targets(folder: Path, name: str) -> Iterator[Path]:
    return (folder / naming.numbered(name, number) for number in itertools.count(1))


def _is_there(file: _Source, target: Path) -> bool:
    """Finish a move that was cut off between its copy (or link) and the end of the source."""
    try:
        if target.lstat().st_size != file.private.lstat().st_size:
            return False
    except FileNotFoundError:
        return False
    digest = sha256_of(file.private)
    if digest is None or not stands(target, digest):
        return False
    return _leave(file)


def _leave(file: _Source) -> bool:
    """Remove a source whose copy is durable, if it is still the very file that was copied."""
    file.check()
    durable.remove(file.private)
    return True


def _place(file: _Source, target: Path, *, may_be_claimed: bool) -> bool:
    """Whether it got this name; False: it is taken."""
    try:
        durable.place(file.private, target, replace=False)
    except FileExistsError:
        if not (may_be_claimed and durable.is_claim(target)):
            return False
        # This very move claimed the name, and was cut off.
        durable.remove(target)
        return _place(file, target, may_be_claimed=False)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return _carry(file, target, may_be_claimed=may_be_claimed)
    return True


def _carry(file: _Source, target: Path, *, may_be_claimed: bool) -> bool:
    """As `_place`, to another file system, with times and mode."""
    written = durable.temporary(target, f"{file.mark}-move")
    durable.remove(written, missing_ok=True)
    try:
        with durable.opened(file.private) as fd, open(fd, "rb", closefd=False) as stream:
            durable.write(written, iter(lambda: stream.read(1 << 20), b""))
        file.check()
        # Owner, mode, times and ACL as `mv` keeps them. Only root may give files away, and file
        # systems without owners or modes refuse these; the bytes are what counts.
        with contextlib.suppress(PermissionError):
            owner = file.private.stat()
            os.chown(written, owner.st_uid, owner.st_gid)
        with contextlib.suppress(PermissionError):
            shutil.copystat(file.private, written)
        durable.place(written, target, replace=may_be_claimed and durable.is_claim(target))
    except FileExistsError:
        return False
    finally:
        durable.remove(written, missing_ok=True)
    return _leave(file)
