"""Model files good and bad: one clear error each, and no code of theirs is run."""

import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from spandrel.architectures.DnCNN import DnCNN
from spandrel.architectures.ESRGAN import ESRGAN

from upscaled.engine.network import load_network
from upscaled.engine.upscaler import open_upscaler
from upscaled.errors import ModelCorrupt, ModelError, ModelUnknown, ModelUnsupported

Maker = Callable[[str], Path]


@pytest.mark.parametrize(
    ("kind", "architecture", "scale"),
    [
        ("x1", "ESRGAN", 1),
        ("x2", "ESRGAN", 2),
        ("x4", "ESRGAN", 4),
        ("x8", "ESRGAN", 8),
        ("compact-x2", "Compact", 2),
        ("span", "SPAN", 4),
    ],
)
def test_what_a_caller_must_know_is_read_from_the_file(
    kind: str, architecture: str, scale: int, network_file: Maker
) -> None:
    network = load_network(network_file(kind))
    assert network.architecture == architecture
    assert network.scale == scale
    assert network.channels == 3


@pytest.mark.parametrize(
    "wrap", [lambda s: s, lambda s: {"params_ema": s}, lambda s: {"params": s}]
)
def test_a_checkpoint_loads_in_any_usual_wrapping_and_under_any_name(
    wrap: Callable[[object], object], tmp_path: Path
) -> None:
    file = tmp_path / "model.of.mine"
    torch.save(wrap(ESRGAN(num_blocks=1, num_filters=8).state_dict()), file)
    assert load_network(file).scale == 4


def test_a_safetensors_file_loads_under_a_wrong_name(network_file: Maker, tmp_path: Path) -> None:
    file = tmp_path / "renamed.pth"
    file.write_bytes(network_file("x4").read_bytes())
    assert load_network(file).scale == 4


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (Path("was-run"),))


@pytest.mark.parametrize("modern", [True, False], ids=["zip", "legacy"])
def test_a_pickle_with_code_is_refused_and_nothing_is_run(
    modern: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "harmful.pth"
    torch.save({"params": Harmful()}, file, _use_new_zipfile_serialization=modern)
    with pytest.raises(ModelCorrupt, match=r"harmful\.pth is refused") as caught:
        load_network(file)
    assert caught.value.hint
    assert not (tmp_path / "was-run").exists()


def test_a_bare_pickle_with_code_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "bare.pth"
    file.write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(ModelCorrupt):
        load_network(file)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kept", [0.0, 0.0001, 0.3, 0.999])
def test_a_truncated_file_is_corrupt(
    suffix: str, kept: float, network_file: Maker, tmp_path: Path
) -> None:
    whole = network_file("x4")
    if suffix == ".pth":
        torch.save(ESRGAN(num_blocks=1, num_filters=8).state_dict(), tmp_path / "whole.pth")
        whole = tmp_path / "whole.pth"
    content = whole.read_bytes()
    file = tmp_path / f"cut{suffix}"
    file.write_bytes(content[: int(len(content) * kept)])
    _refused(file, ModelCorrupt)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\x80\x02}q\x00.", b"\x00" * 100, b"PK\x03\x04" + b"x" * 50, b"\x89PNG\r\n"],
)
def test_what_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "odd.pth"
    file.write_bytes(content)
    _refused(file, ModelError)


def test_a_text_is_not_taken_for_code(tmp_path: Path) -> None:
    file = tmp_path / "diary.pth"
    file.write_text("Dear diary,\nthis is no pickle.\n", encoding="utf-8")
    with pytest.raises(ModelCorrupt, match=r"diary\.pth is damaged or not a model"):
        load_network(file)


def test_an_archive_of_something_else_is_corrupt(tmp_path: Path) -> None:
    file = tmp_path / "archive.pth"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("holiday.txt", "sun")
    _refused(file, ModelCorrupt)


@pytest.mark.parametrize(
    "content",
    [
        torch.zeros(3),
        [1, 2],
        {"epoch": 3, "loss": 0.5},
        {"fc.weight": torch.zeros(10, 10), "fc.bias": torch.zeros(10)},
        {},
    ],
)
def test_a_checkpoint_of_something_else_is_unsupported(content: object, tmp_path: Path) -> None:
    file = tmp_path / "classifier.pth"
    torch.save(content, file)
    _refused(file, ModelUnsupported)


def test_a_network_that_is_not_rgb_is_unsupported(tmp_path: Path) -> None:
    file = tmp_path / "gray.pth"
    torch.save(DnCNN(in_nc=1, out_nc=1, nc=8, nb=3, mode="NR").state_dict(), file)
    _refused(file, ModelUnsupported)


def test_weights_that_do_not_fit_together_are_corrupt(tmp_path: Path) -> None:
    state = ESRGAN(num_blocks=2, num_filters=8).state_dict()
    del state["model.1.sub.1.RDB2.conv3.0.weight"]
    file = tmp_path / "holes.pth"
    torch.save(state, file)
    _refused(file, ModelCorrupt)


@pytest.mark.parametrize("content", [{0: torch.ones(1)}, {"state_dict": {1: torch.ones(1)}}])
def test_keys_that_are_no_names_are_one_clear_error(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(ModelError, match=r"odd\.pth") as caught:
        load_network(tmp_path / "odd.pth")
    assert caught.value.hint


def test_without_memory_for_its_weights_a_sound_file_is_not_called_damaged(
    network_file: Maker, tmp_path: Path
) -> None:
    """For real, in a process that may have no more than it has."""
    checkpoint = tmp_path / "large.pth"
    torch.save({"large": torch.ones(50_000_000)}, checkpoint)
    table = tmp_path / "large.safetensors"
    save_file({"large": torch.ones(50_000_000)}, table)
    child = """
import os, resource, sys
from pathlib import Path
from upscaled.engine.network import load_network
load_network(Path(sys.argv[1]))
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + (100 << 20),) * 2)
for name in sys.argv[2:]:
    try:
        load_network(Path(name))
    except Exception as error:
        print(type(error).__name__, error)
"""
    command = [sys.executable, "-c", child, network_file("x4"), checkpoint, table]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert told.splitlines() == [
        "OutOfMemory the weights of large.pth do not fit the memory there is",
        "OutOfMemory the weights of large.safetensors do not fit the memory there is",
    ]


def test_a_missing_file_is_unknown(tmp_path: Path) -> None:
    _refused(tmp_path / "nowhere.pth", ModelUnknown)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    _refused(tmp_path, ModelError)


def test_a_scale_that_contradicts_the_file_names_both(network_file: Maker) -> None:
    with pytest.raises(ModelUnsupported, match=r"x4.safetensors upscales ×4, not ×2") as caught:
        open_upscaler(network_file("x4"), expected_scale=2)
    assert "scale: 4" in str(caught.value.hint)


def test_a_scale_that_agrees_is_accepted(network_file: Maker) -> None:
    assert open_upscaler(network_file("compact-x2"), expected_scale=2).scale == 2


def _refused(file: Path, error: type[ModelError]) -> None:
    with pytest.raises(error) as caught:
        load_network(file)
    assert file.name in str(caught.value)
    assert caught.value.hint
