import hashlib

import pytest

from support.model_servers import FileServer
from support.ncnn_export import compact_shapes, random_tensors, write_compact
from upscaled.errors import ModelCorrupt, ModelUnavailable, ModelUnknown, StopRequested
from upscaled.models.download.progress import FetchProgress
from upscaled.models.download.url import Urls
from upscaled.models.library import Library
from upscaled.models.model_source import Provider

CONTENT = b"\x80\x02" + bytes(range(256)) * 8000


@pytest.fixture
def library(library: Library) -> Library:
    library.remote.downloaders = {Provider.URL: Urls(library.models_dir, pause_s=0)}
    return library


def test_a_file_comes_once_and_is_then_here(library: Library) -> None:
    with FileServer({"/a b/4x.pth": CONTENT}).serving() as server:
        ref = f"{server.url}/a%20b/4x.pth?download=1"
        seen: list[FetchProgress] = []
        path = library.fetch(ref, on_progress=seen.append)
        assert max(progress.done_bytes for progress in seen) == len(CONTENT)
    assert path.read_bytes() == CONTENT
    assert path.name == "4x.pth"
    assert library.fetch(ref) == library.locate(ref) == path
    assert library.verify(ref) == path


def test_a_connection_cut_half_way_goes_on_where_it_ended(library: Library) -> None:
    server = FileServer({"/4x.pth": CONTENT})
    server.cut_once_at = 1_000_000
    with server.serving():
        assert library.fetch(f"{server.url}/4x.pth").read_bytes() == CONTENT
    assert [ranged for _, _, ranged in server.asked] == [None, "bytes=1000000-"]


def test_the_hash_decides(library: Library) -> None:
    with FileServer({"/4x.pth": CONTENT}).serving() as server:
        with pytest.raises(ModelCorrupt, match="expected 0000"):
            library.fetch(f"{server.url}/4x.pth#sha256={'0' * 64}")
        assert list(library.models_dir.rglob("4x.pth")) == []
        right = hashlib.sha256(CONTENT).hexdigest()
        library.fetch(f"{server.url}/4x.pth#sha256={right}")


def test_a_change_after_the_first_use_is_reported(library: Library) -> None:
    with FileServer({"/4x.pth": CONTENT}).serving() as server:
        ref = f"{server.url}/4x.pth"
        path = library.fetch(ref)
        assert library.remove(ref) == len(CONTENT)
        assert library.locate(ref) is None
        server.files["/4x.pth"] = CONTENT + b"x"
        with pytest.raises(ModelCorrupt, match="changed since"):
            library.fetch(ref)
        assert not path.exists()
        assert library.fetch(ref, accept_change=True).read_bytes() == CONTENT + b"x"


def test_what_is_not_there_is_told(library: Library) -> None:
    with FileServer({}).serving() as server, pytest.raises(ModelUnknown, match="404"):
        library.fetch(f"{server.url}/4x.pth")
    with pytest.raises(ModelUnavailable, match="refused"):
        library.fetch(f"{server.url}/4x.pth")
    with pytest.raises(ModelUnavailable, match="may not be asked"):
        library.fetch(f"{server.url}/4x.pth#local_files_only=1")


def test_a_web_page_is_no_model(library: Library) -> None:
    page = b"<!DOCTYPE html><html>please log in"
    served = FileServer({"/4x.pth": page}).serving()
    with served as server, pytest.raises(ModelCorrupt, match="web page"):
        library.fetch(f"{server.url}/4x.pth")
    assert list(library.models_dir.rglob("4x.pth")) == []


def test_a_download_can_be_stopped(library: Library) -> None:
    with FileServer({"/4x.pth": CONTENT}).serving() as server, pytest.raises(StopRequested):
        library.fetch(f"{server.url}/4x.pth", cancelled=lambda: True)
    assert list((library.models_dir / "scratch").glob("*")) == []


def test_an_ncnn_model_comes_with_both_its_halves(library: Library) -> None:
    param, content = write_compact(random_tensors(compact_shapes(2, 4, 2)), 2, scale=2)
    with FileServer({"/m/up.param": param, "/m/up.bin": content}).serving() as server:
        path = library.fetch(f"{server.url}/m/up.param")
    assert path.suffix == ".safetensors"
    assert library.locate(f"{server.url}/m/up.bin") == path
