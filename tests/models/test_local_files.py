import logging
import os
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from support.ncnn_export import compact_shapes, random_tensors, write_compact
from upscaled.errors import ModelCorrupt, ModelError, ModelUnknown, ModelUnsupported
from upscaled.models.library import Library


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """The `.bin` of an ncnn model in a folder of the user's."""
    folder = tmp_path / "my models"
    folder.mkdir()
    written = write_compact(random_tensors(compact_shapes(2, 4)), 2)
    for suffix, content in zip((".param", ".bin"), written, strict=True):
        (folder / f"4x-Mine{suffix}").write_bytes(content)
    return folder / "4x-Mine.bin"


@pytest.mark.parametrize("name", ["4x.pth", "4x.PTH", "4x.pt", "4x.ckpt"])
def test_a_file_is_used_where_it_lies(library: Library, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x80\x02")
    assert library.fetch(str(path)) == library.locate(str(path)) == path
    assert library.remove(str(path)) == 0
    assert path.exists()


@pytest.mark.parametrize(
    ("name", "content", "error", "words"),
    [
        ("4x.pth", b"", ModelCorrupt, "empty"),
        ("4x.pth", b"version https://git-lfs.github.com/spec/v1\noid", ModelCorrupt, "git-lfs"),
        ("4x.pth", b"\n<!DOCTYPE html><html>", ModelCorrupt, "web page"),
        ("4x.safetensors", b"\x10\0\0\0\0\0\0\0{}", ModelCorrupt, "cut short"),
        ("4x.safetensors", b"\xff" * 100, ModelCorrupt, "cut short"),
        ("4x.onnx", b"\x08\x03", ModelUnsupported, "not a model file"),
        ("4x.bin", b"\x08\x03", ModelUnsupported, "4x.param is missing"),
        ("4x.param", b"7767517", ModelUnsupported, "4x.bin is missing"),
    ],
)
def test_what_is_no_model_is_refused_at_once(
    library: Library,
    tmp_path: Path,
    *,
    name: str,
    content: bytes,
    error: type[ModelError],
    words: str,
) -> None:
    (tmp_path / name).write_bytes(content)
    for look in (library.locate, library.fetch):
        with pytest.raises(error, match=words) as caught:
            look(str(tmp_path / name))
        assert caught.value.hint


def test_a_folder_is_no_model(library: Library, tmp_path: Path) -> None:
    (tmp_path / "x.pth").mkdir()
    with pytest.raises(ModelUnsupported):
        library.locate(str(tmp_path / "x.pth"))


def test_a_missing_file_is_answered_with_its_neighbour(library: Library, pair: Path) -> None:
    with pytest.raises(ModelUnknown, match="there is no file") as caught:
        library.fetch(str(pair.with_name("4x-Mine.bim")))
    assert "4x-Mine.bin" in (caught.value.hint or "")
    with pytest.raises(ModelUnknown, match="there is no file"):
        library.locate("/nowhere/at/all.param")


def test_a_safetensors_file_that_is_cut_is_refused(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "4x.safetensors"
    whole = safetensors.numpy.save({"body.0.weight": np.zeros(10, np.float32)})
    path.write_bytes(whole)
    assert library.fetch(str(path)) == path
    path.write_bytes(whole[:-1])
    with pytest.raises(ModelCorrupt):
        library.locate(str(path))


def test_an_ncnn_model_is_converted_once(library: Library, pair: Path) -> None:
    assert library.locate(str(pair)) is None
    made = library.fetch(str(pair))
    assert made.is_relative_to(library.models_dir)
    assert library.locate(str(pair.with_suffix(".param"))) == library.locate(str(pair)) == made
    written = made.stat().st_mtime_ns
    assert library.fetch(str(pair)).stat().st_mtime_ns == written
    library.verify(str(pair))


def test_a_name_that_is_not_utf8_is_no_trouble(library: Library, pair: Path) -> None:
    odd = pair.parent.rename(os.fsdecode(os.fsencode(pair.parent) + b"\xff")) / pair.name
    made = library.fetch(str(odd))
    assert library.locate(str(odd)) == made
    library.verify(str(odd))
    assert library.known()[-1].path == made


def test_the_same_weights_elsewhere_are_not_converted_again(library: Library, pair: Path) -> None:
    made = library.fetch(str(pair))
    moved = pair.parent.rename(pair.parent.with_name("moved"))
    written = made.stat().st_mtime_ns
    assert library.fetch(str(moved / pair.name)) == made
    assert made.stat().st_mtime_ns == written


def test_another_model_under_the_same_name_is_converted_anew_and_told(
    library: Library, pair: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = library.fetch(str(pair))
    param, content = write_compact(random_tensors(compact_shapes(2, 4), seed=1), 2)
    pair.with_suffix(".param").write_bytes(param)
    pair.write_bytes(content)
    assert library.locate(str(pair)) is None
    with caplog.at_level(logging.WARNING):
        after = library.fetch(str(pair))
    assert after != before
    assert "another file than the one first used" in caplog.text
    assert library.locate(str(pair)) == after


def test_a_damaged_conversion_is_noticed_and_made_again(library: Library, pair: Path) -> None:
    made = library.fetch(str(pair))
    whole = made.read_bytes()
    made.write_bytes(whole[: len(whole) // 2])
    assert library.locate(str(pair)) is None
    library.fetch(str(pair))
    library.verify(str(pair))
    flipped = bytearray(made.read_bytes())
    flipped[-1] ^= 1
    made.write_bytes(flipped)
    with pytest.raises(ModelCorrupt):
        library.verify(str(pair))
    library.fetch(str(pair))
    library.verify(str(pair))


def test_a_file_changed_behind_our_back_fails_verification(
    library: Library, tmp_path: Path
) -> None:
    path = tmp_path / "4x.pth"
    path.write_bytes(b"\x80\x02a")
    library.fetch(str(path))
    stat = path.stat()
    path.write_bytes(b"\x80\x02b")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(ModelCorrupt, match="changed since"):
        library.verify(str(path))


def test_files_that_were_used_are_listed(library: Library, pair: Path) -> None:
    made = library.fetch(str(pair))
    other = [known for known in library.known() if known.model is None]
    assert [(known.name, known.path) for known in other] == [
        (str(pair.with_suffix(".param")), made)
    ]
    assert library.remove(str(pair)) > 0
    assert not made.exists()
    assert pair.exists()
    assert [known for known in library.known() if known.model is None] == []
