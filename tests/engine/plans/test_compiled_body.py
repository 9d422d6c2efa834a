"""What torch compiles is trusted for a shape once it agrees with the eager network."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tqdm import tqdm

from upscaled.engine.plans import compiled_body
from upscaled.engine.upscaler import TorchUpscaler, open_upscaler
from upscaled.errors import DeviceLost
from upscaled.pipeline.protocols import Pixels

Maker = Callable[[str], Path]
Upscale = Callable[[TorchUpscaler, Pixels], Pixels]


@pytest.fixture
def pixels(picture: Callable[..., Pixels]) -> Pixels:
    return picture(200, 70)


@pytest.fixture
def opened(network_file: Maker) -> Callable[..., TorchUpscaler]:
    def make(kind: str, **options: Any) -> TorchUpscaler:
        return open_upscaler(
            network_file(kind), device="cpu", precision="auto", tile_px=24, **options
        )

    return make


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., Any]], None]:
    """`compiler(make)`: in the place of torch's, which takes seconds for each shape."""

    def install(make: Callable[..., Any]) -> None:
        monkeypatch.setattr(compiled_body, "_compiler", lambda: make)

    return install


@pytest.mark.parametrize("kind", ["x4", "x2", "compact", "span"])
def test_what_agrees_is_used(
    kind: str,
    opened: Callable[..., TorchUpscaler],
    pixels: Pixels,
    upscale: Upscale,
    compiler: Callable[..., None],
) -> None:
    calls = []

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *tensors: calls.append(tensors[0].shape) or function(*tensors)

    compiler(counted)
    resident = opened(kind, compile_network=True)
    result = upscale(resident, pixels)
    expected = upscale(opened(kind), pixels)
    assert np.abs(result.astype(int) - expected).max() <= 3  # bf16, added up in another order
    assert len(calls) > len(set(calls)) > 0
    assert (
        resident.compilation
        == f"{len(set(calls))} tile shape{'s' * (len(set(calls)) > 1)} compiled"
    )


@pytest.mark.parametrize("wrong", [0.0, float("nan"), 0.9])
def test_a_wrong_result_is_found_out_and_never_used(
    wrong: float,
    *,
    opened: Callable[..., TorchUpscaler],
    pixels: Pixels,
    upscale: Upscale,
    compiler: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    compiler(lambda function: lambda *tensors: function(*tensors) * wrong)
    resident = opened("x4", compile_network=True)
    for _ in range(2):
        assert np.array_equal(upscale(resident, pixels), upscale(opened("x4"), pixels))
    assert "dB from what it should be" in str(resident.compilation)
    assert len([line for line in caplog.messages if "not compiled" in line]) == 1


def test_a_compiler_that_fails_is_told_and_done_without(
    opened: Callable[..., TorchUpscaler],
    pixels: Pixels,
    upscale: Upscale,
    compiler: Callable[..., None],
) -> None:
    def fail(*_: object) -> Any:
        raise RuntimeError("no C++ compiler here\nat all")

    compiler(lambda _: fail)
    resident = opened("compact", compile_network=True)
    assert np.array_equal(upscale(resident, pixels), upscale(opened("compact"), pixels))
    assert resident.compilation == "not compiled: RuntimeError: no C++ compiler here"


def test_a_lost_device_is_no_failure_of_the_compiler(
    opened: Callable[..., TorchUpscaler],
    pixels: Pixels,
    upscale: Upscale,
    compiler: Callable[..., None],
) -> None:
    def lose(*_: object) -> Any:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    compiler(lambda _: lose)
    with pytest.raises(DeviceLost):
        upscale(opened("x4", compile_network=True), pixels)


def test_only_shapes_that_come_often_are_compiled_and_not_too_many(
    opened: Callable[..., TorchUpscaler],
    picture: Callable[..., Pixels],
    upscale: Upscale,
    compiler: Callable[..., None],
) -> None:
    shapes: set[torch.Size] = set()

    def noted(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *tensors: shapes.add(tensors[0].shape) or function(*tensors)

    compiler(noted)
    resident = opened("compact", compile_network=True)
    upscale(resident, picture(40, 40))
    assert not shapes
    for edge in range(20, 30):
        for _ in range(5):
            upscale(resident, picture(edge, edge))
    assert len(shapes) == 6


@pytest.mark.filterwarnings("ignore:torch.meshgrid")  # spandrel's own call of SwinIR
def test_a_network_without_a_plan_is_not_compiled_and_says_so(
    opened: Callable[..., TorchUpscaler],
) -> None:
    assert opened("swinir", compile_network=True).compilation == (
        "not compiled: no exact plan is known"
    )
    assert opened("x4").compilation is None


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore")  # torch's compiler has many of its own
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
@pytest.mark.parametrize("precision", ["fp32", "auto"])
@pytest.mark.parametrize("kind", ["x4", "compact", "span"])
def test_the_real_compiler_gives_the_same_picture(
    kind: str,
    precision: str,
    *,
    network_file: Maker,
    picture: Callable[..., Pixels],
    upscale: Upscale,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: dict[str, Any] = {"device": "cpu", "precision": precision, "tile_px": 96}
    pixels = picture(192, 288)
    monkeypatch.setattr(tqdm, "monitor_interval", 0)  # else it leaves a thread behind
    resident = open_upscaler(network_file(kind), compile_network=True, **given)
    for _ in range(3):
        result = upscale(resident, pixels)
    expected = upscale(open_upscaler(network_file(kind), **given), pixels)
    assert "compiled" in str(resident.compilation)
    assert "not" not in str(resident.compilation), resident.compilation
    error = np.square(result.astype(float) - expected).mean()
    assert 10 * np.log10(255**2 / max(error, 1e-9)) > 50
