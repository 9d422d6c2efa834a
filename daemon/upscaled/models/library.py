"""The models folder: from the model that a recipe names to a file the engine can load."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from upscaled.errors import ModelUnavailable, ModelUnknown, UpscaledError
from upscaled.models.catalogue import CATALOGUE, CatalogueModel
from upscaled.models.download.hub import Hub, HubAccess
from upscaled.models.download.progress import Cancelled, OnProgress, Watch, ignore, never
from upscaled.models.download.remote import Downloader, Remote
from upscaled.models.download.url import Urls
from upscaled.models.embedded import Embedded
from upscaled.models.local_files import NCNN, LocalFiles
from upscaled.models.model_reference import ModelReference, resolve
from upscaled.models.model_source import ModelSource, Provider


@dataclass(frozen=True, slots=True)
class Known:
    """A model for showing: one of the catalogue, or one that was used before."""

    name: str
    """What `locate` and `fetch` take."""
    model: CatalogueModel | None
    path: Path | None
    """None: not here."""
    size_bytes: int | None


class Library:
    """`ref` everywhere: a name, a path or a source line (see `source`).

    Safe to use from several threads and processes at once.
    """

    def __init__(self, models_dir: Path, *, hub: HubAccess | None = None) -> None:
        self.models_dir = models_dir
        self.embedded = Embedded(models_dir)
        self.local = LocalFiles(models_dir)
        downloaders: dict[Provider, Downloader] = {
            Provider.HUGGINGFACE: Hub(models_dir, hub or HubAccess()),
            Provider.URL: Urls(models_dir),
        }
        self.remote = Remote(models_dir, downloaders)

    def locate(self, ref: str) -> Path | None:
        """The file to load, where it is here and as long as it should be; else None.

        Costs a few system calls; never the network, never numpy.

        Raises:
            UsageError, ModelUnknown, ModelUnsupported, ModelCorrupt, ModelUnavailable: no
                `fetch` could help.
        """
        reference = resolve(ref)
        with _disk_told():
            if reference.model:
                return self.embedded.locate(reference.model)
            if reference.source.path:
                return self.local.locate(reference.source.path)
            found = [self.remote.locate(part) for part in _parts(reference.source)]
            here = [path for path in found if path]
            return self._loadable(here[0]) if here and len(here) == len(found) else None

    def fetch(
        self,
        ref: str,
        *,
        on_progress: OnProgress = ignore,
        cancelled: Cancelled = never,
        refresh: bool = False,
        accept_change: bool = False,
    ) -> Path:
        """The file to load: found, or downloaded, checked and converted.

        `on_progress` and `cancelled` are called from this thread, about ten times a second.
        `refresh` asks the hub or the URL again; `accept_change` takes a file that differs
        from the one first used.

        Raises:
            UsageError, ModelUnknown, ModelUnsupported: nothing that time could mend.
            ModelCorrupt: a file is not the one it should be; it was not used.
            ModelUnavailable: no network, no room, no permission.
            Interrupted: `cancelled` said so; nothing half-done stays.
        """
        reference = resolve(ref)
        watch = Watch(ref, on_progress, cancelled)
        with _disk_told():
            if reference.model:
                return self.embedded.fetch(reference.model, watch)
            if reference.source.path:
                return self.local.fetch(reference.source.path, watch)
            first, *_ = [
                self.remote.fetch(part, watch, refresh=refresh, accept=accept_change)
                for part in _parts(reference.source)
            ]
            return self.local.fetch(first, watch) if first.suffix in NCNN else first

    def verify(self, ref: str) -> Path:
        """Read every byte of a model that is here; its path.

        Raises:
            ModelUnknown: it is not here.
            ModelCorrupt: it is damaged; `fetch` mends what can be mended.
        """
        reference = resolve(ref)
        with _disk_told():
            return self._verify(ref, reference)

    def remove(self, ref: str) -> int:
        """Remove what is kept of a model; bytes freed. A user's own file is never touched."""
        reference = resolve(ref)
        with _disk_told():
            if reference.model:
                return self.embedded.remove(reference.model)
            if reference.source.path:
                return self.local.remove(reference.source.path)
            return sum(self.remote.remove(part) for part in _parts(reference.source))

    def known(self) -> list[Known]:
        """The catalogue in its order, then what else is here by name."""
        return [*map(self._of_catalogue, CATALOGUE), *self._others()]

    def _of_catalogue(self, model: CatalogueModel) -> Known:
        path = self.embedded.locate(model)
        return Known(model.name, model, path, path.stat().st_size if path else None)

    def _others(self) -> Iterator[Known]:
        for record in self.remote.records.all():
            if record.source.endswith(".bin"):
                continue
            try:
                path = self.locate(record.source)
            except UpscaledError:  # gone, or damaged: then it is not here
                path = None
            size_bytes = path.stat().st_size if path else None
            yield Known(record.source, None, path, size_bytes)

    def _loadable(self, path: Path) -> Path | None:
        return self.local.locate(path) if path.suffix.lower() in NCNN else path

    def _verify(self, ref: str, reference: ModelReference) -> Path:
        path = self.locate(ref)
        if reference.model and self.embedded.path(reference.model).is_file():
            self.embedded.verify(reference.model)
        elif reference.source.path:
            self.local.verify(reference.source.path)
        elif not reference.model:
            for part in _parts(reference.source):
                self.remote.verify(part)
        if path is None:
            raise ModelUnknown(f"{ref} is not here", hint=f"upscaled models pull {ref}")
        return path


def _parts(source: ModelSource) -> list[ModelSource]:
    """The files to download: one, or the two halves of an ncnn model, the named one first."""
    line = source.filename or source.url or ""
    name = urlsplit(line).path if source.url else line
    for mine, other in (NCNN, NCNN[::-1]):
        if name.lower().endswith(mine):
            half = name[: -len(mine)] + other
            if source.url:
                sibling = replace(source, url=line.replace(name, half, 1), sha256=None)
            else:
                sibling = replace(source, filename=half, sha256=None)
            return [source, sibling]
    return [source]


@contextmanager
def _disk_told() -> Iterator[None]:
    """An error of the disk as one of ours."""
    try:
        yield
    except OSError as error:
        place = error.filename or "the models folder"
        raise ModelUnavailable(
            f"{place}: {error.strerror or error}",
            hint="make room or mend the permissions; XDG_DATA_HOME says where models are kept",
        ) from error
