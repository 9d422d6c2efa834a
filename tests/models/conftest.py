"""A package index and a hub of the tests' own, spoken over real sockets."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.model_servers import HubServer, Index
from upscaled.models.library import Library


@pytest.fixture
def index(wheel_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """The only package index that pip knows; it has the wheel."""
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    with Index(wheel_file).serving() as server:
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        monkeypatch.setenv("PIP_RETRIES", "0")
        yield server


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """The only hub that huggingface_hub knows."""
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    with HubServer().serving() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Empty."""
    return Library(tmp_path / "models")


@pytest.fixture
def stocked(tmp_path: Path, model_library: Library) -> Library:
    """With the ncnn files of the catalogue, nothing converted."""
    originals = tmp_path / "stocked" / "originals"
    shutil.copytree(model_library.models_dir / "originals", originals)
    return Library(originals.parent)
