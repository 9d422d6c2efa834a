"""Repositories of a hub on this machine, fetched by the real huggingface_hub."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import safetensors.numpy

from support.model_servers import HubServer, Repository
from support.ncnn_export import compact_shapes, random_tensors, write_compact
from upscaled.errors import (
    ExitCode,
    ModelCorrupt,
    ModelUnavailable,
    ModelUnknown,
    StopRequested,
)
from upscaled.models.download.hub import HubAccess
from upscaled.models.download.progress import FetchProgress, FetchStage
from upscaled.models.library import Library

REF = "huggingface:someone/models:x4.safetensors"
CHUNK_BYTES = 10 << 20
"""What huggingface_hub reads at once; only whole chunks are kept when a connection is cut."""


def weights(fill: float = 0.0, count: int = 1000) -> bytes:
    return safetensors.numpy.save({"body.0.weight": np.full(count, fill, np.float32)})


@pytest.fixture
def repository(hub: HubServer) -> Repository:
    hub.repositories["someone/models"] = Repository({"x4.safetensors": weights(), "README.md": b""})
    return hub.repositories["someone/models"]


@pytest.mark.usefixtures("repository")
def test_a_file_comes_once_and_is_then_here(library: Library, hub: HubServer) -> None:
    assert library.locate(REF) is None
    seen: list[FetchProgress] = []
    path = library.fetch(REF, on_progress=seen.append)
    assert path.read_bytes() == weights()
    assert library.locate(REF) == path
    assert path.is_relative_to(library.models_dir)
    assert {progress.stage for progress in seen} == {FetchStage.DOWNLOADING, FetchStage.CHECKING}
    asked = len(hub.asked)
    assert library.fetch(REF) == path
    assert len(hub.asked) == asked
    library.verify(REF)


def test_a_second_start_needs_no_hub(library: Library) -> None:
    hub = HubServer()
    hub.repositories["someone/models"] = Repository({"x4.safetensors": weights()})
    with hub.serving() as server:
        access = HubAccess(endpoint=server.url)
        path = Library(library.models_dir, hub=access).fetch(REF)
    assert Library(library.models_dir, hub=access).fetch(REF) == path


@pytest.mark.slow
def test_no_network_is_told_after_the_tries_of_the_client(library: Library) -> None:
    with HubServer().serving() as server:
        access = HubAccess(endpoint=server.url)
    with pytest.raises(ModelUnavailable, match="could not be fetched from http://127") as caught:
        Library(library.models_dir, hub=access).fetch(REF)
    assert caught.value.exit_code == ExitCode.TEMPFAIL
    assert "HF_ENDPOINT" in (caught.value.hint or "")


def test_a_connection_cut_half_way_goes_on_where_it_ended(
    library: Library, hub: HubServer, repository: Repository
) -> None:
    big = weights(count=6_000_000)
    repository.files["x4.safetensors"] = big
    hub.cut_once_at = 15_000_000
    seen: list[FetchProgress] = []
    path = library.fetch(REF, on_progress=seen.append)
    assert path.read_bytes() == big
    gets = [ranged for method, name, ranged in hub.asked if method == "GET" and "resolve" in name]
    assert gets == [None, f"bytes={CHUNK_BYTES}-"]
    assert {progress.total_bytes for progress in seen if progress.done_bytes} == {len(big)}


def test_a_file_that_arrives_damaged_is_not_kept(library: Library, repository: Repository) -> None:
    repository.etag = "0" * 64
    with pytest.raises(ModelCorrupt, match="arrived damaged"):
        library.fetch(REF)
    assert library.locate(REF) is None
    assert [path for path in library.models_dir.rglob("*") if path.name == "0" * 64] == []
    repository.etag = None
    assert library.fetch(REF).read_bytes() == weights()


def test_a_wrong_hash_is_refused_and_the_right_one_taken(
    library: Library, repository: Repository
) -> None:
    repository.etag = "not-a-hash"
    with pytest.raises(ModelCorrupt, match="expected ffff"):
        library.fetch(f"{REF}#sha256={'f' * 64}")
    assert library.locate(REF) is None
    right = hashlib.sha256(weights()).hexdigest()
    library.fetch(f"{REF}#sha256={right}")
    assert library.locate(f"{REF}#sha256={right}") == library.locate(REF)


def test_a_missing_file_is_told_with_those_that_exist(
    library: Library, repository: Repository
) -> None:
    repository.files["folder/x2.pth"] = b"x"
    with pytest.raises(ModelUnknown) as caught:
        library.fetch("huggingface:someone/models:folder/x2.pht")
    assert "has no file folder/x2.pht" in caught.value.message
    assert "x4.safetensors, folder/x2.pth" in caught.value.message
    assert "README" not in caught.value.message
    assert caught.value.hint == "did you mean folder/x2.pth?"


@pytest.mark.usefixtures("repository")
def test_a_missing_repository_or_revision_is_told(library: Library) -> None:
    with pytest.raises(ModelUnknown, match="no repository someone/else"):
        library.fetch("huggingface:someone/else:x.pth")
    with pytest.raises(ModelUnknown, match="no revision v9"):
        library.fetch("huggingface:someone/models@v9:x4.safetensors")


def test_a_private_repository_asks_for_a_token_and_takes_it(
    library: Library, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.token = "hf_secret"  # noqa: S105  the server's
    with pytest.raises(ModelUnavailable, match="401") as caught:
        library.fetch(REF)
    assert "HF_TOKEN" in (caught.value.hint or "")
    given = Library(library.models_dir / "given", hub=HubAccess(token="hf_secret"))  # noqa: S106
    assert given.fetch(REF).read_bytes() == weights()
    assert "hf_secret" not in repr(given.remote.downloaders) + repr(HubAccess(token="hf_secret"))  # noqa: S106
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert library.fetch(REF).read_bytes() == weights()
    kept = [path for path in library.models_dir.rglob("*") if path.is_file()]
    assert not any(b"hf_secret" in path.read_bytes() for path in kept)


def test_a_gated_repository_says_where_to_ask(
    library: Library, hub: HubServer, repository: Repository
) -> None:
    repository.gated = True
    with pytest.raises(ModelUnavailable, match="gated") as caught:
        library.fetch(REF)
    assert f"{hub.url}/someone/models" in (caught.value.hint or "")


def test_a_pinned_revision_is_the_one_that_comes(library: Library, repository: Repository) -> None:
    repository.revisions["v1"] = {"x4.safetensors": weights(1)}
    pinned = library.fetch("huggingface:someone/models@v1:x4.safetensors")
    latest = library.fetch(REF)
    assert pinned.read_bytes() == weights(1)
    assert latest.read_bytes() == weights()


def test_a_change_after_the_first_use_is_reported(library: Library, repository: Repository) -> None:
    before = library.fetch(REF)
    repository.files["x4.safetensors"] = weights(2)
    assert library.fetch(REF) == before
    with pytest.raises(ModelCorrupt, match="changed since it was first used") as caught:
        library.fetch(REF, refresh=True)
    assert "--accept-change" in (caught.value.hint or "")
    assert library.fetch(REF).read_bytes() == weights()
    after = library.fetch(REF, refresh=True, accept_change=True)
    assert after.read_bytes() == weights(2)
    assert library.locate(REF) == after


def test_a_file_damaged_here_is_fetched_again(library: Library, repository: Repository) -> None:
    path = library.fetch(REF)
    path.resolve().write_bytes(weights()[:-1])
    assert library.locate(REF) is None
    assert library.fetch(REF).read_bytes() == weights()
    content, stat = bytearray(weights()), path.stat()
    content[-1] ^= 1
    path.resolve().write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert library.locate(REF) == path
    with pytest.raises(ModelCorrupt, match="damaged"):
        library.verify(REF)
    assert repository.files["x4.safetensors"] == library.fetch(REF).read_bytes()


def test_the_only_model_of_a_repository_needs_no_name(
    library: Library, repository: Repository
) -> None:
    path = library.fetch("someone/models")
    assert path.name == "x4.safetensors"
    assert library.locate("someone/models") == path
    repository.files["x2.pth"] = b"x"
    with pytest.raises(ModelUnknown, match=r"2 model files: x4\.safetensors, x2\.pth"):
        Library(library.models_dir / "other").fetch("huggingface:someone/models")


def test_an_ncnn_model_comes_with_both_its_halves(library: Library, repository: Repository) -> None:
    tensors = random_tensors(compact_shapes(2, 4, 2))
    repository.files["up.param"], repository.files["up.bin"] = write_compact(tensors, 2, scale=2)
    ref = "huggingface:someone/models:up.bin"
    assert library.locate(ref) is None
    path = library.fetch(ref)
    assert safetensors.numpy.load_file(path).keys() == tensors.keys()
    assert library.locate(ref) == library.locate("huggingface:someone/models:up.param") == path


@pytest.mark.usefixtures("repository")
def test_without_leave_the_network_is_not_asked(
    library: Library, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelUnavailable, match="may not be asked"):
        library.fetch(f"{REF}#local_files_only=1")
    with pytest.raises(ModelUnavailable, match="may not be asked"):
        Library(library.models_dir, hub=HubAccess(offline=True)).fetch(REF)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelUnavailable, match="may not be asked"):
        library.fetch(REF)
    assert hub.asked == []


def test_a_download_can_be_stopped_and_leaves_no_child(
    library: Library, hub: HubServer, repository: Repository, eventually: Callable[..., None]
) -> None:
    repository.files["x4.safetensors"] = weights(count=6_000_000)
    hub.stall_at = 15_000_000
    done = 0

    def on_progress(progress: FetchProgress) -> None:
        nonlocal done
        done = progress.done_bytes

    before = psutil.Process().children(recursive=True)
    with pytest.raises(StopRequested):
        library.fetch(REF, on_progress=on_progress, cancelled=lambda: done > 0)
    assert psutil.Process().children(recursive=True) == before
    hub.stall_at = None
    assert library.fetch(REF).stat().st_size > 20_000_000
    eventually(lambda: not list(library.models_dir.rglob("*.incomplete")))


def test_names_that_the_seed_gives_and_the_hub_lacks_are_the_catalogues(stocked: Library) -> None:
    path = stocked.fetch("huggingface:ai-forever/Real-ESRGAN:RealESRGAN_anime.pth")
    assert path == stocked.locate("realesrgan-x4plus-anime")


def test_a_pickle_is_given_to_the_engine_as_it_is(library: Library, repository: Repository) -> None:
    repository.files["old/4x.pth"] = b"\x80\x02not checked here"
    path = library.fetch("huggingface:someone/models:old/4x.pth")
    assert path.suffix == ".pth"
    assert Path(path).read_bytes().startswith(b"\x80")
