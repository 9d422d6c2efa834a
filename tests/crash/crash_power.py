"""A disk that forgets: what a run did, by strace, and what a power cut may leave of it.

The model is harsher than any file system in use: bytes are safe only after fsync of their file,
names only after fsync of their folder, and what was not synced may be there or not, in any mix.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

CALLS = (
    *("openat", "write", "pwrite64", "ftruncate", "fsync", "fdatasync", "mkdir", "rename"),
    *("renameat", "renameat2", "link", "linkat", "unlink", "unlinkat"),
)
TRACE = ("-y", "-xx", "-s", "1000000", "-e", "trace=" + ",".join(f"?{call}" for call in CALLS))
_OF_NAMES = ("rename", "unlink", "link", "mkdir")
SYNCS = ("fsync", "fdatasync")
_LINE = re.compile(r"^(\w+)\((.*)\)\s+= (-?\d+)(?:<(.*?)>)?(?: .*)?$")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_FD = re.compile(r"^(\d+)<(.*?)>")
# SQLite makes its shared memory anew; the log is the test's own, opened before the trace.
_FORGOTTEN = ("-shm", "log")


class Op(NamedTuple):
    call: str
    path: Path
    """Of the file, or the old name."""
    other: Path | None = None
    """The new name."""
    data: bytes = b""
    offset: int = 0
    """Where `data` goes; for ftruncate, the new length."""


def parse(trace: Path, root: Path) -> list[Op]:
    """The effects of a traced run on what lies below `root`, in order."""
    ops = []
    offsets: dict[int, int] = {}
    for line in trace.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        found = _LINE.match(line)
        if found is None or found[3].startswith("-"):
            continue
        op = _parse_call(found[1], found[2], int(found[3]), offsets)
        if op and op.path.is_relative_to(root) and not op.path.name.endswith(_FORGOTTEN):
            ops.append(op)
    return ops


def _parse_call(call: str, words: str, result: int, offsets: dict[int, int]) -> Op | None:
    strings = [bytes.fromhex(text.replace("\\x", "")) for text in _STRING.findall(words)]
    if call == "openat":
        offsets[result] = 0
        return Op("create", _path(strings[0])) if "O_CREAT" in words else None
    kind = next((kind for kind in _OF_NAMES if call.startswith(kind)), None)
    if kind is not None:
        return Op(kind, *map(_path, strings))
    fd = _FD.match(words)
    if fd is None:
        return None
    number, path = int(fd[1]), Path(_unhex(fd[2]))
    if call in SYNCS:
        return Op("sync", path)
    if call == "ftruncate":
        return Op(call, path, offset=int(words.rpartition(",")[2]))
    # A nearly full disk takes a part of it.
    data = strings[0][:result]
    offset = int(words.rpartition(",")[2]) if call == "pwrite64" else offsets.get(number, 0)
    if call == "write":
        offsets[number] = offset + len(data)
    return Op("write", path, data=data, offset=offset)


def _path(name: bytes) -> Path:
    return Path(name.decode("utf-8", "surrogateescape"))


def _unhex(text: str) -> str:
    return bytes.fromhex(text.replace("\\x", "")).decode() if text.startswith("\\x") else text


@dataclass(eq=False)
class Inode:
    safe: bytes = b""
    pending: list[Op] = field(default_factory=list)
    origin: Path | None = None
    """A file from before the run: linked to, as its inode number is part of its identity."""

    def content(self, keep: Callable[[], bool]) -> bytes:
        content = bytearray(self.safe)
        for op in self.pending:
            if keep():
                _apply(content, op)
        return bytes(content)


def _apply(content: bytearray, op: Op) -> None:
    end = op.offset + len(op.data)
    content.extend(bytes(max(end - len(content), 0)))
    if op.call == "ftruncate":
        del content[op.offset :]
    else:
        content[op.offset : end] = op.data


Names = dict[str, "Inode | Folder"]


class Change(NamedTuple):
    """One call's effect on the names of folders: atomic, whatever it touches."""

    gone: tuple["Folder", str] | None
    new: tuple["Folder", str, "Inode | Folder"] | None


@dataclass(eq=False)
class Folder:
    now: Names = field(default_factory=dict)
    safe: Names = field(default_factory=dict)


class Disk:
    """Starts as `root` is; everything there is safe."""

    def __init__(self, root: Path, attic: Path) -> None:
        self.root = root
        self.attic = attic
        self.top = self._read(root)
        self.pending: list[Change] = []

    def _read(self, folder: Path) -> Folder:
        found = Folder()
        for path in folder.iterdir():
            if path.is_dir():
                found.now[path.name] = self._read(path)
            elif not path.name.endswith(_FORGOTTEN):
                kept = self.attic / f"{path.stat().st_ino}"
                if not kept.exists():
                    kept.hardlink_to(path)
                found.now[path.name] = Inode(path.read_bytes(), origin=kept)
        found.safe = dict(found.now)
        return found

    def do(self, op: Op) -> None:
        if op.call == "sync":
            self._sync(self._at(op.path))
            return
        folder, name = self._folder(op.path.parent), op.path.name
        match op.call:
            case "create":
                if name not in folder.now:
                    self._change(None, (folder, name, Inode()))
            case "mkdir":
                self._change(None, (folder, name, Folder()))
            case "unlink":
                self._change((folder, name), None)
            case "rename" | "link":
                assert op.other is not None
                gone = (folder, name) if op.call == "rename" else None
                new = (self._folder(op.other.parent), op.other.name, folder.now[name])
                self._change(gone, new)
            case _:
                inode = folder.now[name]
                assert isinstance(inode, Inode)
                inode.pending.append(op)

    def _folder(self, path: Path) -> Folder:
        found = self._at(path)
        assert isinstance(found, Folder), path
        return found

    def _at(self, path: Path) -> Inode | Folder:
        here: Inode | Folder = self.top
        for part in path.relative_to(self.root).parts:
            assert isinstance(here, Folder)
            here = here.now[part]
        return here

    def _change(
        self,
        gone: tuple[Folder, str] | None,
        new: tuple[Folder, str, Inode | Folder] | None,
    ) -> None:
        change = Change(gone, new)
        _rename(change, "now")
        self.pending.append(change)

    def _sync(self, found: Inode | Folder) -> None:
        if isinstance(found, Inode):
            found.safe = found.content(lambda: True)
            found.pending.clear()
            return
        # A name leaves one folder as it enters another: both are written.
        for change in list(self.pending):
            touched = {id(part[0]) for part in (change.gone, change.new) if part is not None}
            if id(found) in touched:
                _rename(change, "safe")
                self.pending.remove(change)
        # A name that came and went before this sync is not there after it.
        found.safe = dict(found.now)

    def write_out(self, keep: Callable[[], bool]) -> None:
        """Make `root` what the power cut left. `keep` decides over each thing not synced."""
        kept = [change for change in self.pending if keep()]
        names: dict[int, Names] = {}

        def of(folder: Folder) -> Names:
            return names.setdefault(id(folder), dict(folder.safe))

        for change in kept:
            if change.gone is not None:
                of(change.gone[0]).pop(change.gone[1], None)
            if change.new is not None:
                of(change.new[0])[change.new[1]] = change.new[2]
        _empty(self.root)
        self._write_folder(self.root, self.top, of, keep)

    def _write_folder(
        self, path: Path, folder: Folder, of: Callable[[Folder], Names], keep: Callable[[], bool]
    ) -> None:
        path.mkdir(exist_ok=True)
        for name, entry in of(folder).items():
            if isinstance(entry, Folder):
                self._write_folder(path / name, entry, of, keep)
            elif entry.origin is not None and not entry.pending:
                (path / name).hardlink_to(entry.origin)
            else:
                (path / name).write_bytes(entry.content(keep))


def _rename(change: Change, which: str) -> None:
    if change.gone is not None:
        getattr(change.gone[0], which).pop(change.gone[1], None)
    if change.new is not None:
        getattr(change.new[0], which)[change.new[1]] = change.new[2]


def _chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 (no secret)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            _empty(path)
            path.rmdir()
        else:
            path.unlink()


def cuts(
    root: Path,
    attic: Path,
    start: Callable[[], None],
    ops: Sequence[Op],
    *,
    seeds: int,
    stride: int,
) -> Iterator[str]:
    """After each step `root` is what a power cut at one point left; says which.

    At each sync once with all that was not synced gone, and at every `stride`-th effect `seeds`
    times with each part of it gone or not by chance. `start` makes `root` what it was at first.
    """
    for point in range(len(ops) + 1):
        last = point == len(ops)
        chances: list[random.Random | None] = []
        if last or ops[point].call == "sync":
            chances.append(None)
        if last or point % stride == 0:
            chances += [_chance(1000 * point + seed) for seed in range(seeds)]
        for chance in chances:
            start()
            disk = Disk(root, attic)
            for op in ops[:point]:
                disk.do(op)
            disk.write_out(lambda chance=chance: chance is not None and chance.random() < 0.5)
            yield f"power cut at effect {point} of {len(ops)}, {'by chance' if chance else 'all'}"
