from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from upscaled.engine import device
from upscaled.engine.device import (
    Device,
    cgroup_left_bytes,
    choose_device,
    cpu_has_bf16,
    free_memory_bytes,
    has_kernels,
    in_use,
    is_lost,
    is_out_of_memory,
)
from upscaled.errors import DeviceError, DeviceLost, UsageError

CPU = torch.device("cpu")


@pytest.mark.parametrize("word", ["gpu", "cuda:x", "cuda:-1", "cpu:1", "", "CUDA"])
def test_an_unknown_device_is_a_usage_error_with_a_hint(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose_device(word)
    assert caught.value.hint


def test_an_unknown_precision_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        choose_device("cpu", "int8")


def test_a_cuda_device_that_is_not_there_is_named() -> None:
    with pytest.raises(DeviceError, match="cuda:77"):
        choose_device("cuda:77")


def test_auto_never_takes_a_precision_that_the_network_lacks() -> None:
    chosen = choose_device("cpu", "auto", supports_bf16=False)
    assert chosen.precision == "fp32"


def test_a_precision_that_the_network_lacks_is_refused_when_asked_for() -> None:
    with pytest.raises(DeviceError):
        choose_device("cpu", "bf16", supports_bf16=False)


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 amx_tile\n", True),
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_fp16\n", False),
        ("processor\t: 0\nFeatures\t: fp asimd bf16 i8mm\n", True),
        ("model name\t: bf16 special\n", False),
        ("", False),
    ],
)
def test_bf16_is_read_from_the_flags_of_the_cpu(
    cpuinfo: str, expected: bool, tmp_path: Path
) -> None:
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert cpu_has_bf16(tmp_path / "cpuinfo") is expected


def test_where_nothing_tells_of_the_cpu_it_has_no_bf16(tmp_path: Path) -> None:
    assert not cpu_has_bf16(tmp_path / "none")


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_precision_that_the_cpu_lacks_is_refused_with_a_hint(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "_cpu_has", lambda *_: False)
    with pytest.raises(DeviceError, match=f"no {precision} instructions") as caught:
        choose_device("cpu", precision)
    assert "precision" in str(caught.value.hint)


def test_the_tightest_cgroup_on_the_way_up_counts(tmp_path: Path) -> None:
    inner = tmp_path / "user.slice" / "upscaled.service"
    inner.mkdir(parents=True)
    for folder, limit, used in ((inner, "max", 10), (inner.parent, "1000", 400)):
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{used}\n")
    assert cgroup_left_bytes(tmp_path, "/user.slice/upscaled.service") == 600
    (inner / "memory.max").write_text("300\n")
    assert cgroup_left_bytes(tmp_path, "/user.slice/upscaled.service") == 290


def test_files_that_are_only_cached_are_not_in_use(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("990\n")
    (tmp_path / "memory.stat").write_text("anon 90\ninactive_file 800\nactive_file 100\n")
    assert cgroup_left_bytes(tmp_path, "/") == 810


def test_without_a_cgroup_limit_there_is_none(tmp_path: Path) -> None:
    assert cgroup_left_bytes(tmp_path, "/") is None
    assert cgroup_left_bytes(tmp_path, "/gone/away") is None


def test_the_budget_counts_what_the_process_has_already() -> None:
    assert free_memory_bytes(CPU, 1) == 0
    assert 0 < free_memory_bytes(CPU, 1 << 50) == pytest.approx(free_memory_bytes(CPU), rel=0.2)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("FIND was unable to find an engine to execute this computation"),
    ],
)
def test_lack_of_memory_is_recognised(error: BaseException) -> None:
    assert is_out_of_memory(error)
    assert not is_lost(error)


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: an illegal memory access was encountered",
        "CUDA error: device-side assert triggered",
        "CUDA error: unspecified launch failure",
        "CUDA error: unknown error",
        "CUDA error: the launch timed out and was terminated",
        "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
        "could not create a primitive",  # see test_lack_of_memory
    ],
)
def test_a_lost_device_is_recognised(text: str) -> None:
    assert is_lost(RuntimeError(text))
    assert not is_out_of_memory(RuntimeError(text))


def test_a_bug_is_neither() -> None:
    assert not is_lost(RuntimeError("shape mismatch"))
    assert not is_lost(RuntimeError("could not create a primitive descriptor for a convolution"))
    assert not is_out_of_memory(ValueError("out of memory"))


@pytest.mark.parametrize(
    ("built_for", "capability", "expected"),
    [
        (["sm_75", "sm_80", "sm_90"], (8, 6), True),
        (["sm_75", "sm_80", "sm_90"], (6, 1), False),
        (["sm_75", "sm_86"], (8, 0), False),
        (["sm_75", "sm_80", "sm_90", "compute_90"], (12, 0), True),
        (["sm_75", "sm_80", "sm_90"], (12, 0), False),
        (["sm_90a", "sm_120"], (12, 1), True),
        ([], (8, 0), True),
    ],
)
def test_a_gpu_for_which_torch_has_no_kernels_is_known(
    built_for: list[str], capability: tuple[int, int], expected: bool
) -> None:
    assert has_kernels(built_for, capability) is expected


def test_a_gpu_without_kernels_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (6, 1))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "GTX 1080")
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_80"])
    for word in ("auto", "cuda:0"):
        with pytest.raises(DeviceError, match=r"GTX 1080.*6\.1") as caught:
            choose_device(word)
        assert "device: cpu" in str(caught.value.hint)


def test_on_cuda_cudnn_chooses_its_kernels_and_fp32_is_fp32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "device", lambda where: used.append(where) or nullcontext())
    device = torch.device("cuda", 1)
    with in_use(Device(device, torch.float16)):
        assert torch.backends.cudnn.enabled
        assert torch.backends.cudnn.benchmark
        assert not torch.backends.cudnn.allow_tf32
    assert used == [device]
    assert not torch.backends.cudnn.benchmark


def test_an_error_that_the_device_cannot_survive_is_told_as_such() -> None:
    with pytest.raises(DeviceLost, match="illegal memory access"), in_use(Device(CPU, torch.half)):
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nmore")
    with pytest.raises(RuntimeError, match="a bug"), in_use(Device(CPU, torch.half)):
        raise RuntimeError("a bug")
