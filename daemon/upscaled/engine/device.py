"""Which device, in which precision, with how much memory; and what its errors mean."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from upscaled.errors import DeviceError, DeviceLost, UsageError

_CPUINFO = Path("/proc/cpuinfo")
_CPU_BF16_FLAGS = frozenset({"amx_bf16", "avx512_bf16", "bf16"})
"""x86 and (the last) ARM names in /proc/cpuinfo. Without them bf16 is emulated, and slow."""

_CPU_FP16_FLAGS = frozenset({"avx512_fp16", "avx_ne_convert", "asimdhp"})
"""The same for fp16: oneDNN refuses it without them (torch 2.14)."""

_PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

_LOST_SIGNS = ("cuda error", "execution_failed", "internal_error", "device lost")
"""Most CUDA errors are sticky: each later call of the process fails too. To start again for one
that is not costs seconds; to go on with a context that is lost costs every image after it."""

_KERNEL_SIGN = "could not create a primitive"
"""oneDNN had no memory for the code of a kernel, or none that may be executed. With more words
after it ("descriptor for …") it is a call that it refuses. No thread that met it gets another
kernel, whatever memory there is by then (oneDNN 3.11: Xbyak keeps its error for each thread)."""

_MEMORY_SIGNS = (
    *("can't allocate memory", "not enough memory", "out of memory", "alloc_failed"),
    # What cuDNN says when no algorithm's workspace fits.
    *("unable to find an engine", "unable to find a valid cudnn algorithm"),
)


@dataclass(frozen=True, slots=True)
class Device:
    """A device in a precision."""

    where: torch.device
    dtype: torch.dtype
    fused: bool = True
    """Whether convolutions may take a CPU's fused operators, which torch's compiler cannot read."""

    @property
    def name(self) -> str:
        return str(self.where)

    @property
    def precision(self) -> str:
        return next(name for name, dtype in _PRECISIONS.items() if dtype is self.dtype)

    @property
    def is_cpu(self) -> bool:
        return self.where.type == "cpu"

    @property
    def is_cuda(self) -> bool:
        return self.where.type == "cuda"


def choose_device(
    device: str = "auto",
    precision: str = "auto",
    *,
    supports_fp16: bool = True,
    supports_bf16: bool = True,
) -> Device:
    """`auto`, `cpu`, `cuda`, `cuda:1` or `mps`, in `auto`, `fp32`, `fp16` or `bf16`.

    Raises:
        UsageError: no such word.
        DeviceError: the machine, or the network, lacks it.
    """
    where = _find(device)
    supported = {torch.float16: supports_fp16, torch.bfloat16: supports_bf16}
    if precision == "auto":
        dtype = _best_dtype(where)
        return Device(where, dtype if supported.get(dtype, True) else torch.float32)
    if precision not in _PRECISIONS:
        raise UsageError(f"unknown precision {precision!r}", hint="Use auto, fp32, fp16 or bf16.")
    dtype = _PRECISIONS[precision]
    if not supported.get(dtype, True):
        raise DeviceError(
            f"this network gives wrong results in {precision}",
            hint="Set precision to auto or fp32.",
        )
    if dtype is torch.bfloat16 and where.type == "cpu" and not cpu_has_bf16():
        raise DeviceError(
            "this CPU has no bf16 instructions", hint="Set precision to auto or fp32."
        )
    if dtype is torch.float16 and where.type == "cpu" and not _cpu_has(_CPU_FP16_FLAGS):
        raise DeviceError(
            "this CPU has no fp16 instructions", hint="Set precision to auto or fp32."
        )
    return Device(where, dtype)


def _find(device: str) -> torch.device:
    if device == "auto":
        if torch.cuda.is_available():
            return _with_kernels(0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, index = device.partition(":")
    if kind not in {"cpu", "cuda", "mps"} or (index and (kind != "cuda" or not index.isdigit())):
        raise UsageError(f"unknown device {device!r}", hint="Use auto, cpu, cuda, cuda:1 or mps.")
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(index or 0) >= count:
            raise DeviceError(
                f"device {device}: this machine shows {count} CUDA devices",
                hint="Name one that is there, or set device: cpu; see upscaled doctor.",
            )
        return _with_kernels(int(index or 0))
    if kind == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("this machine has no MPS device", hint="Set device to auto.")
    return torch.device(kind)


def _with_kernels(index: int) -> torch.device:
    """The CUDA device, once it is known that this torch was built for it."""
    capability = torch.cuda.get_device_capability(index)
    if not has_kernels(torch.cuda.get_arch_list(), capability):
        major, minor = capability
        raise DeviceError(
            f"cuda:{index} ({torch.cuda.get_device_name(index)}) has compute capability "
            f"{major}.{minor}, for which PyTorch {torch.__version__} has no kernels",
            hint="Set device: cpu, or install a PyTorch that was built for this GPU.",
        )
    return torch.device("cuda", index)


def has_kernels(built_for: Sequence[str], capability: tuple[int, int]) -> bool:
    """Whether a torch `built_for` these (`sm_80`, `compute_90` …) runs on such a GPU.

    Machine code runs on its own generation from its own version on; intermediate code on all
    that came later.
    """
    for name in built_for:
        kind, _, digits = name.partition("_")
        number = digits.rstrip("af")  # sm_90a, sm_100f: for one generation only
        if not number.isdigit():
            continue
        built = int(number[:-1]), int(number[-1])
        if kind == "compute" and built <= capability:
            return True
        if kind == "sm" and built[0] == capability[0] and built <= capability:
            return True
    return not built_for


@contextmanager
def in_use(device: Device) -> Iterator[None]:
    """The device as this thread's own, so that no context is made on another GPU.

    On CUDA with cuDNN's fastest kernels for the few shapes there are, and true fp32 where fp32
    is asked for.

    Raises:
        DeviceLost: an error in between says that the device is of no use to this process.
    """
    try:
        if device.is_cuda:
            # `enabled` is False by default: cuDNN would not be used at all.
            flags = torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False)
            with torch.cuda.device(device.where), flags:
                yield
        else:
            yield
    except RuntimeError as error:
        if not is_lost(error):
            raise
        raise _lost(device, error) from None


def _lost(device: Device, error: RuntimeError) -> DeviceLost:
    if lacks_kernel(error):
        return DeviceLost(
            f"{device.name} stopped working: no memory for the code of a kernel",
            hint="Close other programs; limits of address space and MemoryDenyWriteExecute= are in "
            "the way too.",
        )
    return DeviceLost(
        f"{device.name} stopped working: {str(error).splitlines()[0]}",
        hint="A new process may use it again; if it repeats, see upscaled doctor.",
    )


def lacks_kernel(error: BaseException) -> bool:
    """Whether it is for lack of memory that only a new process can use the device again."""
    return isinstance(error, RuntimeError) and str(error).endswith(_KERNEL_SIGN)


def _best_dtype(where: torch.device) -> torch.dtype:
    if where.type == "cuda":
        return torch.float16
    return torch.bfloat16 if where.type == "cpu" and cpu_has_bf16() else torch.float32


def cpu_has_bf16(cpuinfo: Path = _CPUINFO) -> bool:
    return _cpu_has(_CPU_BF16_FLAGS, cpuinfo)


def _cpu_has(any_of: frozenset[str], cpuinfo: Path = _CPUINFO) -> bool:
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in {"flags", "Features"}:
            return not any_of.isdisjoint(value.split())
    return False


def free_memory_bytes(device: torch.device, budget_bytes: int | None = None) -> int:
    """What the engine may take now; `budget_bytes` is the user's limit for the whole process.

    CPU: the least of available memory, what the cgroup has left and what the budget has left.
    CUDA: free memory, and what torch's allocator holds but does not use.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        used = torch.cuda.memory_allocated(device)
        left = [free + torch.cuda.memory_reserved(device) - used]
    else:
        used = psutil.Process().memory_info().rss
        left = [psutil.virtual_memory().available]
        cgroup = cgroup_left_bytes(Path("/sys/fs/cgroup"), _own_cgroup())
        left += [] if cgroup is None else [cgroup]
    if budget_bytes is not None:
        left.append(budget_bytes - used)
    return max(0, min(left))


def used_memory_bytes(device: torch.device) -> int:
    """What this process has: of a CUDA device its allocator's blocks, else its resident size."""
    if device.type == "cuda":
        return int(torch.cuda.memory_reserved(device))
    return int(psutil.Process().memory_info().rss)


def _own_cgroup() -> str:
    """The path after `0::` (cgroup v2)."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "/"
    return next((line[3:] for line in lines if line.startswith("0::")), "/")


def cgroup_left_bytes(root: Path, group: str) -> int | None:
    """The least that any level from `group` up to `root` has left; None without a limit."""
    left: int | None = None
    folder = root / group.strip("/")
    while folder == root or root in folder.parents:
        try:
            limit = (folder / "memory.max").read_text(encoding="ascii").strip()
            used = int((folder / "memory.current").read_text(encoding="ascii"))
            used -= _cached_bytes(folder)
        except (OSError, ValueError):
            limit = "max"
            used = 0
        if limit.isdigit():
            level = int(limit) - used
            left = level if left is None else min(left, level)
        if folder == root:
            break
        folder = folder.parent
    return left


def _cached_bytes(folder: Path) -> int:
    """Files that nobody uses, which `memory.current` counts and the kernel drops when it has to."""
    try:
        lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)


def is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(sign in text for sign in _MEMORY_SIGNS)


def is_lost(error: BaseException) -> bool:
    """Whether only a new process can use the device again."""
    text = str(error).lower()
    is_runtime = isinstance(error, RuntimeError) and not is_out_of_memory(error)
    return is_runtime and (lacks_kernel(error) or any(sign in text for sign in _LOST_SIGNS))
