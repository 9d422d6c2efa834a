from pathlib import Path

import pytest

from upscaled.config.settings import Settings
from upscaled.service.workers.devices import count_gpus, devices, visible_gpus


def settings(device: str | tuple[str, ...]) -> Settings:
    return Settings(rules=(), device=device)


@pytest.mark.parametrize(
    ("named", "gpus", "expected"),
    [
        ("auto", 0, ("auto",)),
        ("auto", 1, ("auto",)),
        ("auto", 3, ("cuda:0", "cuda:1", "cuda:2")),
        ("cpu", 3, ("cpu",)),
        ("cuda", 3, ("cuda",)),
        (("cuda:0", "cuda:2"), 3, ("cuda:0", "cuda:2")),
    ],
)
def test_each_gpu_has_a_worker_of_its_own_unless_others_are_named(
    named: str | tuple[str, ...], gpus: int, expected: tuple[str, ...]
) -> None:
    assert devices(settings(named), gpus) == expected


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (None, 4),
        ("", 0),
        ("-1", 0),
        ("0,1", 2),
        ("2, 3", 2),
        ("0,-1,1", 1),
        ("0,9,1", 1),
        ("GPU-8932f937,GPU-1b2c", 2),
        ("0,1,2,3,0,1", 4),
    ],
)
def test_only_visible_gpus_count(listed: str | None, expected: int) -> None:
    environment = {} if listed is None else {"CUDA_VISIBLE_DEVICES": listed}
    assert visible_gpus(4, environment) == expected


def test_a_machine_without_the_driver_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upscaled.service.workers.devices._DRIVER", tmp_path / "gpus")
    assert count_gpus() == 0


def test_gpus_count_only_for_a_torch_that_can_use_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / "gpus" / address).mkdir(parents=True)
    monkeypatch.setattr("upscaled.service.workers.devices._DRIVER", tmp_path / "gpus")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("upscaled.service.workers.devices._torch_has_cuda", lambda: True)
    assert count_gpus() == 2
    monkeypatch.setattr("upscaled.service.workers.devices._torch_has_cuda", lambda: False)
    assert count_gpus() == 0
