"""A resident network that upscales pictures of any size within the memory there is."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from upscaled.engine.device import (
    Device,
    choose_device,
    free_memory_bytes,
    in_use,
    is_out_of_memory,
    lacks_kernel,
    used_memory_bytes,
)
from upscaled.engine.network import Network, load_network
from upscaled.engine.plans.compiled_body import Compilation, compiled
from upscaled.engine.plans.plan import Exactness
from upscaled.engine.plans.planner import plan_for
from upscaled.engine.tiling.exact_run import ExactRun
from upscaled.engine.tiling.feather import MARGIN_PX, SMALLEST_FEATHERED_PX, FeatheredRun
from upscaled.engine.tiling.oom_retry import OomRetry
from upscaled.engine.tiling.tile_io import Pixels, TileReader, TileWriter
from upscaled.engine.tiling.tiles import Size
from upscaled.engine.tiling.tuning import Learned, Lessons, learned_key
from upscaled.errors import BadResult, ModelUnsupported, OutOfMemory

Progress = Callable[[int, int], None]

_FEATHERED_TILE_PX = 256
_SMALL_FEATHERED_PX = (SMALLEST_FEATHERED_PX + 2 * MARGIN_PX) ** 2
"""The area of a tile that is not cut any more."""
_FACE_PX = 512


def open_upscaler(
    model_file: Path,
    *,
    device: str = "auto",
    precision: str = "auto",
    memory_bytes: int | None = None,
    tile_px: int | None = None,
    expected_scale: int | None = None,
    compile_network: bool = False,
    learned: Mapping[str, Any] | Lessons | None = None,
) -> "TorchUpscaler":
    """The network in `model_file`, ready on a device.

    Args:
        model_file: safetensors or a PyTorch checkpoint, whatever its name.
        device: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.
        precision: `auto`, `fp32`, `fp16` or `bf16`.
        memory_bytes: the user's limit for the whole process; None: what is free.
        tile_px: edge of the input tile; None: found by measurement. It never changes the
            pixels of an exact plan.
        expected_scale: refuse the file if its scale is another one.
        compile_network: let torch compile what it can, as far as the result stays the same.
        learned: what `TorchUpscaler.learned` gave before, of any device and network; `Lessons`
            of it where several networks are loaded side by side.

    Raises:
        ModelUnknown, ModelCorrupt, ModelUnsupported: see `load_network`.
        UsageError, DeviceError: see `choose_device`.
        OutOfMemory, DeviceLost: the device does not take the weights.
    """
    network = load_network(model_file)
    if expected_scale is not None and expected_scale != network.scale:
        raise ModelUnsupported(
            f"{model_file.name} upscales ×{network.scale}, not ×{expected_scale}",
            hint=f"Write scale: {network.scale} under model:, or leave it out there.",
        )
    chosen = choose_device(
        device,
        precision,
        supports_fp16=network.supports_fp16,
        supports_bf16=network.supports_bf16,
    )
    with _taking_weights(model_file, chosen):
        return TorchUpscaler(
            network,
            chosen,
            memory_bytes=memory_bytes,
            tile_px=tile_px,
            compile_network=compile_network,
            learned=learned if isinstance(learned, Lessons) else Lessons(learned or {}),
        )


@contextmanager
def _taking_weights(model_file: Path, device: Device) -> Iterator[None]:
    """Raises: OutOfMemory, DeviceLost: what goes wrong while weights go to the device."""
    try:
        with in_use(device):
            yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(
            f"the weights of {model_file.name} do not fit {device.name}",
            hint="Close other programs on this device, or set device: cpu.",
        ) from None


def _identity(file: Path) -> str:
    """Another for each file, and for what it is replaced by."""
    known = file.stat()
    told = f"{known.st_size}:{known.st_mtime_ns}:".encode() + os.fsencode(file)
    return hashlib.sha256(told).hexdigest()[:16]


class TorchUpscaler:
    """Satisfies `pipeline.stage.Upscaler`. One picture at a time."""

    def __init__(
        self,
        network: Network,
        device: Device,
        *,
        memory_bytes: int | None = None,
        tile_px: int | None = None,
        compile_network: bool = False,
        learned: Lessons,
    ) -> None:
        self._plan = plan_for(network, device)
        self._compilation: Compilation | None = None
        if compile_network:
            self._plan, self._compilation = compiled(self._plan, network, device)
        # An exact plan has its own copy of the weights: the network itself is not kept then.
        feathered = self._plan.exactness is Exactness.FEATHERED
        self._whole = network.descriptor if feathered else None
        self._file = network.file
        self._architecture = network.architecture
        self._scale = network.scale
        self.is_for_faces = network.is_for_faces
        """Whether it takes faces of 512 × 512 px, upright, and nothing else."""
        self._device = device
        self._memory_bytes = memory_bytes
        self._forced_tile_px = tile_px
        self._key = learned_key(device.name, network.architecture, device.precision)
        if feathered:
            self._key += "/feathered"  # what is learned of tiles is in pixels then
        self._learned = learned.of(self._key)
        # Other networks of the architecture may be sound.
        self._file_key = f"{self._key}/{_identity(network.file)}"
        self._goes_fp32 = learned.of(self._file_key).fp32
        self._lessons = learned
        self._full_precision: TorchUpscaler | None = None
        self.notes: tuple[str, ...] = ()
        """What the user should know of the last picture."""
        self.tile_px: int | None = None
        """The last picture's largest tile: the edge of a square of its area."""

    @property
    def scale(self) -> int:
        return self._scale

    @property
    def architecture(self) -> str:
        return self._architecture

    @property
    def device(self) -> str:
        return self._device.name

    @property
    def precision(self) -> str:
        return self._device.precision

    @property
    def exactness(self) -> Exactness:
        return self._plan.exactness

    @property
    def compilation(self) -> str | None:
        """What became of `compile_network`; any thread may ask. None: it was not asked for."""
        return None if self._compilation is None else str(self._compilation)

    def memory_bytes(self) -> tuple[int, int]:
        """Used by this process and free, of the device; any thread may ask."""
        where = self._device.where
        return used_memory_bytes(where), free_memory_bytes(where, self._memory_bytes)

    @property
    def macs_per_px(self) -> int:
        """Multiplications for each pixel of a picture; 0: not known (feathered)."""
        return self._plan.macs_per_px // self._plan.unshuffle**2

    def learned(self) -> dict[str, Any]:
        """What to give to the next `open_upscaler`; fit for JSON."""
        found = {self._key: self._learned.plain()}
        if self._goes_fp32:
            found[self._file_key] = Learned(fp32=True).plain()
        if self._full_precision is not None:
            found |= self._full_precision.learned()
        return found

    def upscale(
        self, pixels: Pixels, *, progress: Progress, cancelled: Callable[[], bool]
    ) -> Pixels:
        """See `pipeline.stage.Upscaler.upscale`."""
        self.notes = ()
        told = progress
        if not self._goes_fp32:
            target = self._tried(pixels, progress, cancelled)
            if target is not None and target.is_picture_of(pixels):
                return target.pixels
            if self._device.dtype is torch.float32:
                raise BadResult(
                    f"{self._file.name} gave no picture, in fp32 too",
                    hint="The model file may be damaged: upscaled models verify.",
                )

            def told(done: int, total: int) -> None:
                """The units of a first try are over: those of the second go on from there."""
                progress(total + done, 2 * total)

        upscaler = self._in_fp32()
        result = upscaler.upscale(pixels, progress=told, cancelled=cancelled)
        self.tile_px = upscaler.tile_px
        self._goes_fp32 = True  # only now is it known that the precision was at fault
        fallback = f"{self.precision} gives no picture on {self.device}: done in fp32"
        self.notes = (fallback, *upscaler.notes)
        return result

    def _tried(
        self, pixels: Pixels, progress: Progress, cancelled: Callable[[], bool]
    ) -> TileWriter | None:
        """None: the network's own code does not take the precision, whatever spandrel says of it.

        SwinIR, for one, makes its attention mask in fp32 (spandrel 0.4.2, `supports_bfloat16`).
        """
        try:
            return self._run(pixels, progress, cancelled)
        except RuntimeError:
            if self._whole is None or self._device.dtype is torch.float32:
                raise
            return None

    def _in_fp32(self) -> "TorchUpscaler":
        if self._full_precision is None:
            fine = Device(self._device.where, torch.float32)
            network = load_network(self._file)
            with _taking_weights(self._file, fine):
                self._full_precision = TorchUpscaler(
                    network,
                    fine,
                    memory_bytes=self._memory_bytes,
                    tile_px=self._forced_tile_px,
                    learned=self._lessons,
                )
        return self._full_precision

    def _run(self, pixels: Pixels, progress: Progress, cancelled: Callable[[], bool]) -> TileWriter:
        with in_use(self._device):
            return self._run_tiles(pixels, progress, cancelled)

    def _run_tiles(
        self, pixels: Pixels, progress: Progress, cancelled: Callable[[], bool]
    ) -> TileWriter:
        if self._plan.exactness is Exactness.FEATHERED:
            return self._run_feathered(pixels, progress, cancelled)
        run = ExactRun(
            self._plan,
            self._device,
            self._learned,
            memory_bytes=self._memory_bytes,
            forced_tile_px=self._forced_tile_px,
            progress=progress,
            cancelled=cancelled,
        )
        target = run.run(pixels)
        self.notes = tuple(run.notes)
        self.tile_px = run.tile_px
        return target

    def _run_feathered(
        self, pixels: Pixels, progress: Progress, cancelled: Callable[[], bool]
    ) -> TileWriter:
        height, width, _ = pixels.shape
        target = TileWriter(height * self.scale, width * self.scale, pixels.dtype)
        attempts = OomRetry(self._device, self._plan.scratch.release)
        edge = _FACE_PX if self.is_for_faces else self._feathered_tile_px()
        run = FeatheredRun(self._call, self.scale, attempts, Size(edge, edge))
        try:
            with torch.inference_mode():
                run.run(TileReader(pixels, self._device), target, progress, cancelled)
        except RuntimeError as error:
            failure = attempts.smallest_failure
            if lacks_kernel(error) and failure is not None and failure > _SMALL_FEATHERED_PX:
                self._learned.record_out_of_memory(failure)  # for the next process
            raise
        if attempts.smallest_failure is not None:
            self._learned.record_out_of_memory(attempts.smallest_failure)
        elif edge < self._largest_feathered_px:
            self._learned.record_fit()
        self.tile_px = max(1, isqrt(run.tile.area))
        if self.is_for_faces and self.tile_px < _FACE_PX:
            raise OutOfMemory(
                "a face has to fit as a whole, and does not",
                hint="Close other programs on this device, or set device: cpu.",
            )
        return target

    @property
    def _largest_feathered_px(self) -> int:
        return self._forced_tile_px or _FEATHERED_TILE_PX

    def _feathered_tile_px(self) -> int:
        """Their ceiling is in pixels, margins and all: nobody knows what such a network keeps."""
        most = self._learned.ceiling
        largest = self._largest_feathered_px
        return largest if most is None else min(largest, isqrt(most // 2) - 2 * MARGIN_PX)

    def _call(self, picture: Tensor) -> Tensor:
        if self._whole is None:
            raise NotImplementedError("only a feathered network is called as a whole")
        result: Tensor = self._whole(picture.to(self._device.dtype))
        return result.to(torch.float32)
