"""Other engines on the same weights, for `upscaled bench`. Each is optional."""

import contextlib
import importlib
import sys
import tempfile
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from upscaled.engine.bench.ncnn_files import INPUT, OUTPUT, ncnn_files
from upscaled.engine.network import load_network
from upscaled.engine.tiling.tile_io import Pixels
from upscaled.errors import UpscaledError, UsageError

Peer = Callable[[Pixels], object]

_TRACED = (1, 3, 16, 16)
"""OpenVINO's converter runs the network a few times; the size that counts is given apart."""


def open_peer(name: str, model_file: Path, size_px: int) -> Peer:
    """A call that upscales one square picture of `size_px`.

    Raises:
        UsageError: the package of that peer is missing.
        UpscaledError: the peer cannot run these weights.
    """
    try:
        return PEERS[name](model_file, size_px)
    except ImportError as error:
        raise UsageError(
            f"{name} is not installed ({error.name})", hint="pip install 'upscaled[bench]'"
        ) from error


def _spandrel(model_file: Path, size_px: int) -> Peer:
    """The network as spandrel gives it: eager, fp32, the whole picture at once."""
    del size_px
    descriptor = load_network(model_file).descriptor

    def call(pixels: Pixels) -> object:
        with torch.inference_mode():
            result = descriptor(_unit(pixels))
            return result[0].mul(255).round_().to(torch.uint8).permute(1, 2, 0).numpy()

    return call


def _py_real_esrgan(model_file: Path, size_px: int) -> Peer:
    """ai-forever's package, which is the engine of model-compose; `predict` by its defaults."""
    del size_px
    package = _imported_py_real_esrgan()
    network = load_network(model_file)
    if network.architecture != "ESRGAN":
        raise UpscaledError("py-real-esrgan runs RRDBNet only")
    engine = package.RealESRGAN(torch.device("cpu"), scale=network.scale)
    engine.model.load_state_dict(_official_keys(network.module.state_dict()))
    engine.model.eval()
    return lambda pixels: engine.predict(pixels)  # noqa: PLW0108 - bound when it is called


def _imported_py_real_esrgan() -> Any:
    """It imports a name that the hub has removed, and does not call it here."""
    hub = importlib.import_module("huggingface_hub")
    stand_in = types.ModuleType("huggingface_hub")
    stand_in.__dict__.update(hf_hub_url=hub.hf_hub_url, cached_download=None)
    with _module("huggingface_hub", stand_in), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its decorators are deprecated
        return importlib.import_module("py_real_esrgan.model")


@contextlib.contextmanager
def _module(name: str, stand_in: types.ModuleType) -> Any:
    before = sys.modules[name]
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        sys.modules[name] = before


def _official_keys(state: dict[str, Any]) -> dict[str, Any]:
    """The key layout of spandrel (old ESRGAN) as the one of Real-ESRGAN."""
    blocks = max(int(key.split(".")[3]) for key in state if key.startswith("model.1.sub."))
    last = max(int(key.split(".")[1]) for key in state)
    names = {"model.0.": "conv_first.", f"model.1.sub.{blocks}.": "conv_body."}
    names |= {f"model.{3 * n}.": f"conv_up{n}." for n in range(1, (last - 4) // 3 + 1)}
    names |= {f"model.{last - 2}.": "conv_hr.", f"model.{last}.": "conv_last."}
    found = {}
    for key, value in state.items():
        prefix = next((old for old in names if key.startswith(old)), None)
        if prefix is not None:
            found[names[prefix] + key.removeprefix(prefix)] = value
        else:
            _, _, _, block, dense, conv, *_, kind = key.split(".")
            found[f"body.{block}.{dense.lower()}.{conv}.{kind}"] = value
    return found


def _openvino(precision: str) -> Callable[[Path, int], Peer]:
    def make(model_file: Path, size_px: int) -> Peer:
        """Converted from the network as spandrel gives it, compiled for just this shape."""
        openvino = importlib.import_module("openvino")
        shape = (1, 3, size_px, size_px)
        module = load_network(model_file).module
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its converter uses what torch has deprecated
            converted = openvino.convert_model(
                module, example_input=torch.zeros(_TRACED), input=list(shape)
            )
        compiled = openvino.compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": precision})
        request = compiled.create_infer_request()

        def call(pixels: Pixels) -> object:
            result = request.infer({0: _unit(pixels).numpy()})[0]
            return np.rint(result[0].clip(0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)

        return call

    return make


def _ncnn(model_file: Path, size_px: int) -> Peer:
    """On the CPU, all threads, the whole picture, its options by default (fp16 where it can)."""
    del size_px
    ncnn = importlib.import_module("ncnn")
    network = load_network(model_file)
    state = network.module.state_dict()
    if network.architecture == "ESRGAN":
        state = _official_keys(state)
    weights = {key: value.numpy() for key, value in state.items()}
    param, content = ncnn_files(network.architecture, weights, network.scale)
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "net.param"), Path(folder, "net.bin")
        files[0].write_text(param, encoding="ascii")
        files[1].write_bytes(content)
        if net.load_param(str(files[0])) or net.load_model(str(files[1])):
            raise UpscaledError("ncnn does not load these weights")

    def call(pixels: Pixels) -> object:
        unit = _unit(pixels)[0].numpy()  # ncnn.Mat borrows its memory
        with net.create_extractor() as extractor:
            extractor.input(INPUT, ncnn.Mat(unit))
            _, result = extractor.extract(OUTPUT)
            planes = np.array(result)
        return np.rint(planes.clip(0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)

    return call


def _unit(pixels: Pixels) -> torch.Tensor:
    unit = torch.from_numpy(pixels.astype(np.float32) / np.iinfo(pixels.dtype).max)
    return unit.permute(2, 0, 1)[None].contiguous()


PEERS: dict[str, Callable[[Path, int], Peer]] = {
    "spandrel": _spandrel,
    "py-real-esrgan": _py_real_esrgan,
    "ncnn": _ncnn,
    "openvino-f32": _openvino("f32"),
    "openvino-bf16": _openvino("bf16"),
}
