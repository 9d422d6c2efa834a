"""The device: torch, driver, precision and a test inference, in a child that may crash."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from upscaled.cli.checks.finding import Finding, fail, ok, warn

TIMEOUT_S = 120.0
"""torch takes a minute to load from a cold disk."""
_MOST_ERROR = 0.05
_INSTALL = f"{sys.executable} -m pip install --force-reinstall torch torchvision"


class Probe:
    """A child that was started already, while the quick checks are made."""

    def __init__(self, device: str, precision: str, model: Path | None) -> None:
        command = [sys.executable, "-P", "-m", "upscaled.engine.device_probe", device, precision]
        self._child = subprocess.Popen(  # noqa: S603 (our own program)
            [*command, *([str(model)] if model else [])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self.device = device
        self._has_model = model is not None

    def findings(self, timeout_s: float = TIMEOUT_S) -> Iterator[Finding]:
        timed_out = False
        try:
            out, err = self._child.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            timed_out = True
            self._child.kill()
            out, err = self._child.communicate()
        ending = f"it did not end in {timeout_s:g} s" if timed_out else None
        if ending is None and self._child.returncode:
            last = (err.strip().splitlines() or ["no word of it"])[-1]
            ending = f"it ended with {self._child.returncode}: {last}"
        yield from read(out, ending, has_model=self._has_model)

    def stop(self) -> None:
        if self._child.poll() is None:
            self._child.kill()
            self._child.communicate()


def read(out: str, ending: str | None, *, has_model: bool) -> Iterator[Finding]:
    """What the lines of the child mean; `ending`: how it ended before it was through."""
    steps: dict[str, dict[str, Any]] = {}
    for line in out.splitlines():
        said = _parse(line)
        if said is not None:
            steps[said["step"]] = said
            yield from _explain(said)
    if ending is not None:
        last = next(reversed(steps), "the start")
        yield fail("engine", f"the test of the device broke off after {last}: {ending}", _INSTALL)
    elif "arithmetic" in steps and not has_model:
        yield ok("inference", "not tried: the model is not here", "upscaled models pull")


def _parse(line: str) -> dict[str, Any] | None:
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) and "step" in said else None


def _explain(said: dict[str, Any]) -> Iterator[Finding]:
    match said["step"]:
        case "torch":
            built = f", for CUDA {said['cuda']}" if said["cuda"] else ", without CUDA"
            yield ok("torch", said["version"] + built)
            if said["driver"]:
                yield ok("driver", f"NVIDIA {said['driver']}")
        case "device":
            yield from _explain_device(said)
        case "arithmetic" if said["error"] != said["error"] or said["error"] > _MOST_ERROR:
            yield fail("arithmetic", "the device multiplies wrongly", "precision: fp32")
        case "inference" if said["error"] != said["error"] or said["error"] > _MOST_ERROR:
            yield fail(
                "inference", "the network gives another picture than its input", "precision: fp32"
            )
        case "inference":
            yield ok(
                "inference",
                f"a test picture was upscaled in {said['seconds']:g} s, in {said['precision']} "
                f"(model loaded in {said['load_s']:g} s, {said['tiling']} tiles)",
            )
        case "trouble":
            yield fail("engine", said["what"], said["hint"] or "device: cpu")


def _explain_device(said: dict[str, Any]) -> Iterator[Finding]:
    free = f"{said['free_bytes'] / 1e9:.1f} GB free"
    yield ok("device", f"{said['name']} ({said['hardware']}, {free})")
    slow = said["bf16"] is False
    what = "fp32: this CPU has no bf16, which is faster" if slow else said["precision"]
    yield ok("precision", what)
    if said["name"] == "cpu" and Path("/proc/driver/nvidia/version").exists():
        remedy = "install a torch for your CUDA: https://pytorch.org/get-started/locally"
        yield warn("device", "there is an NVIDIA driver, but torch does not see the GPU", remedy)
