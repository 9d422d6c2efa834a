"""Model files of the user's own: used where they lie, ncnn files converted beside ours."""

import difflib
import logging
import os
from hashlib import sha256
from pathlib import Path

from upscaled.errors import (
    ModelCorrupt,
    ModelUnavailable,
    ModelUnknown,
    ModelUnsupported,
)
from upscaled.models.digest import removed_if_corrupt
from upscaled.models.download.progress import FetchStage, Watch
from upscaled.models.record import Record, Records
from upscaled.models.safetensors_header import (
    CONVERSION,
    SOURCE_SHA256,
    TENSORS_SHA256,
    read_metadata,
)
from upscaled.models.workspace import settle, workspace

IMPORTED = "imported"
NCNN = (".param", ".bin")
READ_BY_ENGINE = (".pth", ".pt", ".ckpt", ".safetensors")
SUFFIXES = (*READ_BY_ENGINE, *NCNN)

log = logging.getLogger(__name__)


class LocalFiles:
    def __init__(self, models_dir: Path) -> None:
        self.models_dir = models_dir
        self.records = Records(models_dir)

    def locate(self, path: Path) -> Path | None:
        """The file itself, or what was made of it; None: it has to be converted.

        Raises:
            ModelUnknown: no such file.
            ModelUnsupported, ModelCorrupt: no model file, as far as its first bytes tell.
        """
        if path.suffix.lower() not in NCNN:
            check_file(path)
            return path
        pair = _pair(path)
        seen = [self.records.unchanged(str(half), half) for half in pair]
        return self._imported(path, [record for record in seen if record])

    def fetch(self, path: Path, watch: Watch) -> Path:
        if path.suffix.lower() in NCNN:
            return self.locate(path) or self._import(path, watch)
        check_file(path)
        if not self.records.unchanged(str(path), path):
            watch.report(FetchStage.CHECKING)
            with workspace(
                self.models_dir, str(path), waiting=watch.waiting, cancelled=watch.cancelled
            ) as folder:
                self._remember(path, folder)
        return path

    def verify(self, path: Path) -> None:
        """Against the hash of its first use.

        Raises:
            ModelCorrupt: it is another file now, or what was made of it is damaged.
        """
        if path.suffix.lower() in NCNN:
            self._verify_imported(path)
            return
        check_file(path)
        record = self.records.get(str(path))
        if record and self.records.measured(str(path), path).sha256 != record.sha256:
            raise ModelCorrupt(
                f"{path} changed since it was first used",
                hint=f"upscaled models pull {path}   takes it as it is now",
            )

    def _verify_imported(self, path: Path) -> None:
        from upscaled.models.conversion import verify_converted  # noqa: PLC0415  needs numpy

        imported = self.locate(path)
        if imported is None:
            raise ModelCorrupt(
                f"{path} changed since it was converted, or was never converted",
                hint=f"upscaled models pull {path}",
            )
        with removed_if_corrupt(imported):
            verify_converted(imported, (read_metadata(imported) or {}).get(TENSORS_SHA256))

    def remove(self, path: Path) -> int:
        """Bytes freed: only what was made here; the user's file stays."""
        records = [self.records.get(str(half)) for half in _halves(path)]
        target = self._target(path, [record for record in records if record])
        for half in _halves(path):
            self.records.forget(str(half))
        if target is None or not target.is_file():
            return 0
        freed = target.stat().st_size
        target.unlink()
        return freed

    def _import(self, path: Path, watch: Watch) -> Path:
        from upscaled.models.conversion import convert_files  # noqa: PLC0415  needs numpy

        pair = _pair(path)
        with workspace(
            self.models_dir, str(pair[0]), waiting=watch.waiting, cancelled=watch.cancelled
        ) as folder:
            watch.report(FetchStage.CHECKING)
            records = [self._remember(half, folder) for half in pair]
            if imported := self._imported(path, records):
                return imported
            watch.report(FetchStage.CONVERTING)
            finished = folder / "converted"
            shown = os.fsencode(path).decode(errors="replace")
            facts = {SOURCE_SHA256: _content(records), "source": shown, "licence": "unknown"}
            convert_files(*pair, finished, facts)
            target = self._target(path, records)
            if target is None:
                raise ModelCorrupt(f"{path} changed while it was read")
            settle(finished, target)
            return target

    def _remember(self, path: Path, folder: Path) -> Record:
        before, now = self.records.get(str(path)), self.records.measured(str(path), path)
        if before and before.sha256 != now.sha256:
            log.warning(
                "%s is another file than the one first used (sha256 %s, now %s)",
                *(path, before.sha256, now.sha256),
            )
        if before != now:
            self.records.write(now, folder)
        return now

    def _target(self, path: Path, records: list[Record]) -> Path | None:
        if len(records) != len(NCNN):
            return None
        return self.models_dir / IMPORTED / f"{path.stem}-{_content(records)[:16]}.safetensors"

    def _imported(self, path: Path, records: list[Record]) -> Path | None:
        target = self._target(path, records)
        if target is None or not target.is_file():
            return None
        facts = read_metadata(target) or {}
        current = (facts.get(SOURCE_SHA256), facts.get("conversion"))
        return target if current == (_content(records), CONVERSION) else None


def check_file(path: Path) -> None:
    """Whether the engine may be given this file.

    Raises:
        ModelUnknown: no such file.
        ModelUnavailable: it cannot be read.
        ModelUnsupported, ModelCorrupt: no model file, as far as its first bytes tell.
    """
    if not path.exists():
        near = difflib.get_close_matches(path.name, _names_beside(path), n=1)
        raise ModelUnknown(
            f"there is no file {path}",
            hint=f"did you mean {path.with_name(near[0])}?" if near else None,
        )
    if not path.is_file() or path.suffix.lower() not in SUFFIXES:
        raise ModelUnsupported(
            f"{path} is not a model file", hint=f"a model file ends with {', '.join(SUFFIXES)}"
        )
    if not os.access(path, os.R_OK):
        raise ModelUnavailable(f"{path} may not be read", hint=f"chmod u+r {path}")
    _check_start(path)


def _check_start(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        raise ModelCorrupt(f"{path} is empty", hint="copy or download it again")
    if start.startswith(b"version https://git-lfs"):
        raise ModelCorrupt(
            f"{path} is a pointer of git-lfs, not the file itself", hint="git lfs pull"
        )
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise ModelCorrupt(
            f"{path} is a web page that was saved under this name",
            hint="follow the page's download link",
        )
    if path.suffix.lower() == ".safetensors" and read_metadata(path) is None:
        raise ModelCorrupt(f"{path} is cut short or damaged", hint="copy or download it again")


def _names_beside(path: Path) -> list[str]:
    try:
        return [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return []


def _halves(path: Path) -> tuple[Path, Path]:
    return path.with_suffix(".param"), path.with_suffix(".bin")


def _pair(path: Path) -> tuple[Path, Path]:
    for half in _halves(path):
        if not half.exists() and path.exists():
            raise ModelUnsupported(
                f"{path.name} is half an ncnn model; {half.name} is missing beside it",
                hint=f"put {half.name} into {path.parent}",
            )
        check_file(half)
    return _halves(path)


def _content(records: list[Record]) -> str:
    return sha256("\0".join(record.sha256 for record in records).encode()).hexdigest()
