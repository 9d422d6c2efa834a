"""Which names an inbox takes, and which folders it enters."""

import os
from pathlib import Path

from upscaled.watch import ignore
from upscaled.watch.seen import join
from upscaled.watch.spec import InboxSpec


class Selection:
    """The spec's answer for one entry; where excluded folders are is read anew by `refresh`."""

    def __init__(self, spec: InboxSpec, root: bytes) -> None:
        self._spec = spec
        self._root = root
        self._excluded_paths: frozenset[bytes] = frozenset()
        self._excluded_marks: frozenset[tuple[int, int]] = frozenset()

    def refresh(self) -> None:
        """Find the excluded folders: by path, and by identity for bind mounts and symlinks."""
        paths, marks = set(), set()
        for path in self._spec.excluded:
            paths.add(os.path.abspath(os.fsencode(path)))  # noqa: PTH100 - bytes: names need not be UTF-8
            try:
                status = path.stat()
            except OSError:
                continue
            marks.add((status.st_dev, status.st_ino))
        self._excluded_paths, self._excluded_marks = frozenset(paths), frozenset(marks)

    def takes(self, path: bytes, name: bytes) -> bool:
        """Whether a file at `path` (below the root) is wanted."""
        if ignore.is_passed_over(name, hidden=self._spec.hidden):
            return False
        if self._excluded_paths and join(self._root, path) in self._excluded_paths:
            return False
        wants = self._spec.wants
        return wants is None or wants(Path(os.fsdecode(path)))

    def enters(self, path: bytes, name: bytes, status: os.stat_result) -> bool:
        """Whether the folder at `path` (below the root) is looked into."""
        return (
            self._spec.recursive
            and not ignore.is_closed_folder(name, hidden=self._spec.hidden)
            and (status.st_dev, status.st_ino) not in self._excluded_marks
            and join(self._root, path) not in self._excluded_paths
        )
