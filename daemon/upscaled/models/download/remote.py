"""Models from elsewhere: downloaded once, held to the hash they had when first used."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from upscaled.errors import ModelCorrupt, ModelError, ModelUnknown
from upscaled.models.digest import sha256_of
from upscaled.models.download.progress import FetchStage, Watch
from upscaled.models.local_files import check_file
from upscaled.models.model_source import ModelSource, Provider
from upscaled.models.record import Record, Records
from upscaled.models.workspace import workspace

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Downloaded:
    path: Path
    """Under its last name already, or in the workspace."""
    sha256: str | None = None
    """What the server says it should be."""


class Downloader(Protocol):
    def lock_name(self, source: ModelSource) -> str:
        """Sources with the same name are fetched one at a time."""
        ...

    def download(self, source: ModelSource, folder: Path, watch: Watch) -> Downloaded:
        """Fetch into `folder`, or into a cache of its own."""
        ...

    def keep(self, source: ModelSource, path: Path) -> Path:
        """Where the file stays from now on."""
        ...

    def discard(self, path: Path) -> int:
        """Remove a file that `download` or `keep` gave; bytes freed."""
        ...


class Remote:
    def __init__(self, models_dir: Path, downloaders: Mapping[Provider, Downloader]) -> None:
        self.models_dir = models_dir
        self.downloaders = downloaders
        self.records = Records(models_dir)

    def locate(self, source: ModelSource) -> Path | None:
        record = self.records.get(key_of(source))
        if record is None or source.sha256 not in (None, record.sha256):
            return None
        path = self.models_dir / record.path
        return path if self.records.unchanged(record.source, path) else None

    def fetch(
        self, source: ModelSource, watch: Watch, *, refresh: bool = False, accept: bool = False
    ) -> Path:
        """The file, downloaded where it is not here or `refresh` says so.

        Raises:
            ModelCorrupt: it is not the file it should be, or (unless `accept`) not the one
                that was used first; it is not kept.
        """
        if not refresh and (path := self.locate(source)):
            return path
        downloader = self.downloaders[source.provider]
        with workspace(
            self.models_dir,
            downloader.lock_name(source),
            waiting=watch.waiting,
            cancelled=watch.cancelled,
        ) as folder:
            if not refresh and (path := self.locate(source)):
                return path
            before = self.records.get(key_of(source))
            self._discard_damaged(before, downloader)
            watch.report(FetchStage.DOWNLOADING)
            downloaded = downloader.download(source, folder, watch)
            watch.report(FetchStage.CHECKING)
            try:
                found = _checked(downloaded, source, None if accept else before)
            except ModelError:
                downloader.discard(downloaded.path)
                raise
            path = downloader.keep(source, downloaded.path)
            stat, inside = path.stat(), path.is_relative_to(self.models_dir)
            self.records.write(
                Record(
                    key_of(source),
                    str(path.relative_to(self.models_dir) if inside else path),
                    found,
                    stat.st_size,
                    stat.st_mtime_ns,
                ),
                folder,
            )
            if before is None:
                log.info("%s is used for the first time: sha256 %s", source, found)
            return path

    def verify(self, source: ModelSource) -> None:
        """Every byte.

        Raises:
            ModelUnknown: it is not here.
            ModelCorrupt: it is not the file that was first used; it is removed.
        """
        record = self.records.get(key_of(source))
        path = self.models_dir / record.path if record else None
        if record is None or path is None or not path.is_file():
            raise ModelUnknown(f"{source} is not here", hint=f"upscaled models pull {source}")
        if sha256_of(path) != record.sha256:
            self.downloaders[source.provider].discard(path)
            raise ModelCorrupt(
                f"{path} is damaged: it is not the file that was first used",
                hint=f"upscaled models pull {source}",
            )

    def remove(self, source: ModelSource) -> int:
        """Bytes freed. The hash of the first use stays known."""
        record = self.records.get(key_of(source))
        path = self.models_dir / record.path if record else None
        if path is None or not path.exists():
            return 0
        return self.downloaders[source.provider].discard(path)

    def _discard_damaged(self, before: Record | None, downloader: Downloader) -> None:
        if before is None:
            return
        path = self.models_dir / before.path
        if path.is_file() and sha256_of(path) != before.sha256:
            log.warning("%s is damaged and is fetched again", path)
            downloader.discard(path)


def key_of(source: ModelSource) -> str:
    """The line of a source without its options: what it is remembered by."""
    return str(replace(source, sha256=None, local_files_only=False))


def _checked(downloaded: Downloaded, source: ModelSource, before: Record | None) -> str:
    found = sha256_of(downloaded.path)
    if source.sha256 not in (None, found):
        raise ModelCorrupt(
            f"{key_of(source)} is not the file it should be: "
            f"sha256 {found}, expected {source.sha256}",
            hint="check the sha256 in the configuration against the one its publisher gives",
        )
    if downloaded.sha256 not in (None, found):
        raise ModelCorrupt(
            f"{key_of(source)} arrived damaged: sha256 {found}, sent as {downloaded.sha256}",
            hint="try again",
        )
    if before and not source.sha256 and before.sha256 != found:
        raise ModelCorrupt(
            f"{key_of(source)} was changed since it was first used: "
            f"sha256 {found}, then {before.sha256}",
            hint=f"to use the new file: upscaled models pull --accept-change {key_of(source)}",
        )
    check_file(downloaded.path)
    return found
