"""What is known of each file that no catalogue pins: the hash it had when it was first used."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from upscaled.models.digest import sha256_of
from upscaled.models.workspace import settle

RECORDS = "records"


@dataclass(frozen=True, slots=True)
class Record:
    source: str
    """The line of `source`, without its options."""
    path: str
    """Absolute, or below the models folder."""
    sha256: str
    size_bytes: int
    mtime_ns: int


class Records:
    """One small JSON file for each source, in the models folder."""

    def __init__(self, models_dir: Path) -> None:
        self.folder = models_dir / RECORDS

    def all(self) -> Iterator[Record]:
        for file in sorted(self.folder.glob("*.json")):
            if record := _read(file):
                yield record

    def get(self, source: str) -> Record | None:
        return _read(self._file(source))

    def forget(self, source: str) -> None:
        self._file(source).unlink(missing_ok=True)

    def unchanged(self, source: str, path: Path) -> Record | None:
        """The record, where the file's size and time are still those it has; no byte is read."""
        record = self.get(source)
        if record is None or not path.is_file():
            return None
        stat = path.stat()
        same = (record.size_bytes, record.mtime_ns) == (stat.st_size, stat.st_mtime_ns)
        return record if same else None

    def measured(self, source: str, path: Path) -> Record:
        """A record of the file as it is now; not yet written."""
        stat = path.stat()
        return Record(source, str(path), sha256_of(path), stat.st_size, stat.st_mtime_ns)

    def write(self, record: Record, scratch: Path) -> None:
        """`scratch` is a folder of the caller's own, on the same disk."""
        file = scratch / "record.json"
        file.write_text(json.dumps(asdict(record), indent=2), encoding="utf-8")
        settle(file, self._file(record.source))

    def _file(self, source: str) -> Path:
        return self.folder / f"{sha256(os.fsencode(source)).hexdigest()[:32]}.json"


def _read(file: Path) -> Record | None:
    try:
        return Record(**json.loads(file.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        # A record that cannot be read says nothing; the file is hashed again.
        return None
