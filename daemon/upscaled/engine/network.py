"""A model file as a network, and what a caller must know of it as data."""

import pickle
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from upscaled.engine.architectures import (
    ImageModelDescriptor,
    ModelLoader,
    UnsupportedModelError,
    canonicalize_state_dict,
)
from upscaled.engine.device import is_out_of_memory
from upscaled.errors import ModelCorrupt, ModelUnknown, ModelUnsupported, OutOfMemory

_MAX_SAFETENSORS_HEADER_BYTES = 100_000_000  # the format's own limit
_RGB = 3
_PICKLES = (b"\x80", b"PK")
"""First bytes of a pickle, and of torch's archive around one."""
_VERIFY = "If it was downloaded, fetch it again: upscaled models pull, then upscaled models verify."
_SUPPORTED = (
    "Use a super-resolution model that spandrel knows (ESRGAN, Real-ESRGAN, Compact, SPAN, "
    "SwinIR and others) as .safetensors or .pth."
)


@dataclass(frozen=True, slots=True)
class Network:
    """A loaded network, fp32, on the CPU, in evaluation mode."""

    file: Path
    descriptor: ImageModelDescriptor
    architecture: str
    """spandrel's id of the architecture, for example `ESRGAN`, `Compact`, `SPAN`."""
    tags: tuple[str, ...]
    scale: int
    channels: int
    """Of input and output alike: 3 (RGB)."""
    size_multiple: int
    """The network's own grid: its input's height and width are padded to this."""
    minimum_px: int
    supports_fp16: bool
    supports_bf16: bool
    is_for_faces: bool = False
    """It takes a face of 512 × 512 px, upright, and nothing else."""

    @property
    def module(self) -> torch.nn.Module:
        module: torch.nn.Module = self.descriptor.model
        return module


def load_network(path: Path) -> Network:
    """The network in a safetensors file or a checkpoint; no code in the file is ever run.

    Raises:
        ModelUnknown: there is no such file.
        ModelCorrupt: the file is damaged, or holds code.
        ModelUnsupported: the file is whole, but no network that turns RGB into RGB.
        OutOfMemory: there is not enough for its weights.
    """
    try:
        return _network_of(path, _descriptor_of(path, _state_of(path)))
    except MemoryError:
        raise OutOfMemory(
            f"the weights of {path.name} do not fit the memory there is",
            hint="Close other programs, or give the service more memory.",
        ) from None


def _state_of(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except FileNotFoundError:
        raise ModelUnknown(
            f"there is no model file {path}",
            hint="Check the path, or see upscaled models list.",
        ) from None
    except OSError as error:
        raise ModelCorrupt(
            f"cannot read the model file {path}: {error.strerror}",
            hint="Check that it is a file and that the daemon's user may read it.",
        ) from None
    state = _read_safetensors(path) if _is_safetensors(head) else _read_checkpoint(path, head)
    if not isinstance(state, Mapping):
        raise ModelUnsupported(
            f"{path.name} holds a {type(state).__name__}, no table of weights", hint=_SUPPORTED
        )
    return state


def _is_safetensors(head: bytes) -> bool:
    """By content, not by name: files are renamed. Header: length as u64, then JSON."""
    if len(head) < struct.calcsize("<Qc"):
        return False
    length, brace = struct.unpack("<Qc", head)
    return brace == b"{" and int(length) <= _MAX_SAFETENSORS_HEADER_BYTES


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    try:
        return dict(safetensors.torch.load_file(path))
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        _raise_lack_of_memory(error)
        raise ModelCorrupt(f"{path.name} is damaged: {error}", hint=_VERIFY) from None


def _read_checkpoint(path: Path, head: bytes) -> Any:
    """`weights_only` is torch's restricted unpickler: tensors and plain containers only."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols; nothing a user can change
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error)
        # A text is no pickle: its first letter is an instruction that does not exist.
        is_odd_pickle = head.startswith(_PICKLES) and "Unsupported operand" in reason
        if is_odd_pickle or "unsupported global" in reason.lower():
            raise ModelCorrupt(
                f"{path.name} is refused: it is a pickle that asks for code to be run",
                hint="Get the model as .safetensors, or from its author's own page.",
            ) from None
        raise ModelCorrupt(f"{path.name} is damaged or not a model", hint=_VERIFY) from None
    except Exception as error:  # noqa: BLE001 - torch reports a cut file as any of ten errors
        _raise_lack_of_memory(error)
        raise ModelCorrupt(f"{path.name} is damaged or not a model", hint=_VERIFY) from None


def _raise_lack_of_memory(error: Exception) -> None:
    """So that a sound file is not called damaged."""
    if is_out_of_memory(error) or "cannot allocate memory" in str(error).lower():
        raise MemoryError(str(error)) from None


def _descriptor_of(path: Path, state: Mapping[str, Any]) -> ImageModelDescriptor:
    try:
        weights = canonicalize_state_dict(dict(state))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about the networks' own code
            descriptor = ModelLoader(device="cpu").load_from_state_dict(weights)
    except UnsupportedModelError:
        raise ModelUnsupported(
            f"{path.name} holds no network architecture that is known", hint=_SUPPORTED
        ) from None
    except Exception as error:  # noqa: BLE001
        _raise_lack_of_memory(error)
        # spandrel guesses sizes from the weights; a file that lacks some fails in any way.
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelCorrupt(
            f"the weights in {path.name} do not fit together: {reason}", hint=_VERIFY
        ) from None
    if not isinstance(descriptor, ImageModelDescriptor):
        raise ModelUnsupported(
            f"{path.name} is a {descriptor.architecture.name} network for "
            f"{descriptor.purpose}, not for upscaling whole images",
            hint=_SUPPORTED,
        )
    return descriptor


def _network_of(path: Path, descriptor: ImageModelDescriptor) -> Network:
    if descriptor.input_channels != _RGB or descriptor.output_channels != _RGB:
        raise ModelUnsupported(
            f"{path.name} turns {descriptor.input_channels} channels into "
            f"{descriptor.output_channels}; only RGB into RGB is handled",
            hint=_SUPPORTED,
        )
    descriptor.eval()
    descriptor.model.requires_grad_(requires_grad=False)
    return Network(
        file=path,
        descriptor=descriptor,
        architecture=str(descriptor.architecture.id),
        tags=tuple(descriptor.tags),
        scale=descriptor.scale,
        channels=descriptor.input_channels,
        size_multiple=max(1, descriptor.size_requirements.multiple_of),
        minimum_px=descriptor.size_requirements.minimum,
        supports_fp16=descriptor.supports_half,
        supports_bf16=descriptor.supports_bfloat16,
        is_for_faces=descriptor.purpose == "FaceSR",
    )
