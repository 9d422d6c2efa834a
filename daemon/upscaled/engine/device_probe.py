"""Whether the device works, tried in a process of its own: a driver may crash what asks it.

    python -P -m upscaled.engine.device_probe DEVICE PRECISION [MODEL_FILE]

Each step is a line of JSON on standard output as soon as it is known, so that the reader of a
child that died or hangs knows how far it came. Exit status 0, whatever was found.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from upscaled.engine.device import Device, choose_device, cpu_has_bf16, free_memory_bytes
from upscaled.engine.upscaler import open_upscaler
from upscaled.errors import UpscaledError

_EDGE_PX = 32


def main(arguments: list[str]) -> None:
    device, precision = arguments[:2]
    say("torch", version=torch.__version__, driver=driver(), cuda=torch.version.cuda)
    try:
        chosen = choose_device(device, precision)
        say(
            "device",
            name=chosen.name,
            precision=chosen.precision,
            hardware=hardware(chosen),
            bf16=cpu_has_bf16() if chosen.is_cpu else None,
            free_bytes=free_memory_bytes(chosen.where),
        )
        say("arithmetic", error=arithmetic_error(chosen))
        if arguments[2:]:
            say("inference", **infer(Path(arguments[2]), device, precision))
    except UpscaledError as error:
        say("trouble", what=error.message, hint=error.hint)
    except Exception as error:  # noqa: BLE001 (whatever a driver raises is what was asked for)
        first = (str(error).splitlines() or [""])[0]
        say("trouble", what=f"{type(error).__name__}: {first}", hint=None)


def say(step: str, **found: Any) -> None:
    sys.stdout.write(json.dumps({"step": step} | found) + "\n")
    sys.stdout.flush()


def driver() -> str | None:
    """The version of the NVIDIA kernel driver."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    words = (text.splitlines() or [""])[0].split()
    return next((word for word in words if word[:1].isdigit() and "." in word), None)


def hardware(device: Device) -> str:
    if device.is_cuda:
        return torch.cuda.get_device_name(device.where)
    return f"{torch.get_num_threads()} threads" if device.is_cpu else device.name


def arithmetic_error(device: Device) -> float:
    """How far a product on the device is from the same one in fp32 on the CPU, as a share.

    bf16 keeps 8 bits, fp16 11.
    """
    generator = torch.Generator().manual_seed(1)
    left, right = (torch.randn(64, 64, generator=generator) for _ in range(2))
    there = (left.to(device.where, device.dtype) @ right.to(device.where, device.dtype)).float()
    exact = left @ right
    return float((there.cpu() - exact).abs().max() / exact.abs().max())


def infer(file: Path, device: str, precision: str) -> dict[str, Any]:
    """A small ramp through the real network; `error`: how far what came out is from it."""
    began = time.perf_counter()
    upscaler = open_upscaler(file, device=device, precision=precision)
    loaded = time.perf_counter()
    ramp = np.linspace(50, 200, _EDGE_PX).astype(np.uint8)
    pixels = np.repeat(np.tile(ramp, (_EDGE_PX, 1))[..., None], 3, axis=2)
    result = upscaler.upscale(pixels, progress=lambda *_: None, cancelled=lambda: False)
    seconds = time.perf_counter() - loaded
    scale = upscaler.scale
    means = result.reshape(_EDGE_PX, scale, _EDGE_PX, scale, 3).mean(axis=(1, 3))
    return {
        "load_s": round(loaded - began, 2),
        "seconds": round(seconds, 2),
        "error": float(np.abs(means - pixels).mean()) / 255,
        "precision": upscaler.precision,
        "tiling": str(upscaler.exactness),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
