"""RRDBNet and SRVGGNetCompact as ncnn's own files, for the peer in `upscaled bench`.

The layout is the one of the official files: see `upscaled.models.ncnn`, which reads it.
"""

import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from upscaled.errors import UpscaledError

Weights = Mapping[str, NDArray[np.float32]]

INPUT, OUTPUT = "data", "output"
_RGB = 3


def ncnn_files(architecture: str, weights: Weights, scale: int) -> tuple[str, bytes]:
    """The text of `.param` and the content of `.bin`; keys as Real-ESRGAN names them.

    Raises:
        UpscaledError: it is neither of the two networks.
    """
    net = _Net(weights)
    if architecture == "ESRGAN" and weights["conv_first.weight"].shape[1] == _RGB:
        _rrdb(net)
    elif architecture == "Compact":
        _compact(net, scale)
    else:
        raise UpscaledError("ncnn is given RRDBNet without pixel-unshuffle, and Compact, only")
    return net.param(), bytes(net.content)


class _Net:
    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.content = bytearray()
        self._lines: list[str] = []
        self._blobs = 0
        self.layer("Input", [], outputs=[INPUT])

    def layer(
        self,
        kind: str,
        inputs: list[str],
        settings: str = "",
        *,
        count: int = 1,
        outputs: list[str] | None = None,
    ) -> list[str]:
        """Appends it; the names of its `count` outputs, where none are given."""
        if outputs is None:
            outputs = [f"b{self._blobs + number}" for number in range(count)]
        self._blobs += len(outputs)
        words = [kind, f"layer{len(self._lines)}", str(len(inputs)), str(len(outputs))]
        self._lines.append(" ".join([*words, *inputs, *outputs, settings]))
        return outputs

    def conv(self, key: str, source: str, *, leaky: bool = False, last: bool = False) -> str:
        weight = self.weights[f"{key}.weight"]
        self.content += struct.pack("<I", 0) + weight.astype("<f4").tobytes()
        self.content += self.weights[f"{key}.bias"].astype("<f4").tobytes()
        settings = f"0={weight.shape[0]} 1=3 4=1 5=1 6={weight.size}"
        settings += " 9=2 -23310=1,2.000000e-01" if leaky else ""
        return self.layer("Convolution", [source], settings, outputs=[OUTPUT] if last else None)[0]

    def residual(self, branch: str, base: str) -> str:
        return self.layer("Eltwise", [branch, base], "0=1 -23301=2,2.000000e-01,1.000000e+00")[0]

    def enlarged(self, source: str, scale: int) -> str:
        return self.layer("Interp", [source], f"0=1 1={scale:.6e} 2={scale:.6e}")[0]

    def param(self) -> str:
        return "\n".join(["7767517", f"{len(self._lines)} {self._blobs}", *self._lines, ""])


def _rrdb(net: _Net) -> None:
    first, x = net.layer("Split", [net.conv("conv_first", INPUT)], count=2)
    groups = 1 + max(int(key.split(".")[1]) for key in net.weights if key.startswith("body."))
    for group in range(groups):
        base, x = net.layer("Split", [x], count=2)
        for dense in (1, 2, 3):
            x = _dense(net, f"body.{group}.rdb{dense}", x)
        x = net.residual(x, base)
    (x,) = net.layer("BinaryOp", [first, net.conv("conv_body", x)], "0=0")
    number = 1
    while f"conv_up{number}.weight" in net.weights:
        x = net.conv(f"conv_up{number}", net.enlarged(x, 2), leaky=True)
        number += 1
    net.conv("conv_last", net.conv("conv_hr", x, leaky=True), last=True)


def _dense(net: _Net, name: str, source: str) -> str:
    """Each output is copied once for each convolution that still reads it (ncnn's `Split`)."""
    base, *copies = net.layer("Split", [source], count=6)
    grown = [copies]
    for number in range(1, 5):
        inputs = [each.pop() for each in grown]
        joined = net.layer("Concat", inputs, "0=0")[0] if number > 1 else inputs[0]
        fresh = net.conv(f"{name}.conv{number}", joined, leaky=True)
        grown.append(net.layer("Split", [fresh], count=5 - number))
    (joined,) = net.layer("Concat", [each.pop() for each in grown], "0=0")
    return net.residual(net.conv(f"{name}.conv5", joined), base)


def _compact(net: _Net, scale: int) -> None:
    base, x = net.layer("Split", [INPUT], count=2)
    last = max(int(key.split(".")[1]) for key in net.weights)
    for number in range(0, last, 2):
        x = net.conv(f"body.{number}", x)
        slopes = net.weights[f"body.{number + 1}.weight"]
        net.content += slopes.astype("<f4").tobytes()
        (x,) = net.layer("PReLU", [x], f"0={slopes.size}")
    (x,) = net.layer("PixelShuffle", [net.conv(f"body.{last}", x)], f"0={scale}")
    net.layer("BinaryOp", [x, net.enlarged(base, scale)], "0=0", outputs=[OUTPUT])
