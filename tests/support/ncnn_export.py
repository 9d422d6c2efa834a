"""Writes networks as ncnn files, in the ways the exporters in the field write them.

`fused`: ncnnoptimize was run (activations in the convolutions, residuals as Eltwise), as in
Real-ESRGAN's and most of Upscayl's files; else as onnx2ncnn leaves it (ReLU layers, BinaryOp).
"""

import struct
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[np.float32]]

FLOAT16_TAG = 0x01306B47


@dataclass
class Writer:
    tensors: Tensors
    half: bool = True
    fused: bool = True
    lines: list[str] = field(default_factory=list)
    content: bytearray = field(default_factory=bytearray)
    uses: dict[str, int] = field(default_factory=dict)
    fresh: int = 0

    def blob(self) -> str:
        self.fresh += 1
        return str(100 + self.fresh)

    def layer(self, kind: str, inputs: list[str], settings: str, outputs: list[str]) -> None:
        counts = f"{len(inputs)} {len(outputs)}"
        names = " ".join([*inputs, *outputs])
        self.lines.append(f"{kind:<16} {kind}_{len(self.lines):<20} {counts} {names} {settings}")

    def one(self, kind: str, inputs: list[str], settings: str = "") -> str:
        out = self.blob()
        self.layer(kind, inputs, settings, [out])
        return out

    def split(self, x: str, count: int) -> list[str]:
        outs = [f"{x}_splitncnn_{n}" for n in range(count)]
        self.layer("Split", [x], "", outs)
        return outs

    def weight(self, key: str) -> tuple[int, int]:
        weight = self.tensors[f"{key}.weight"]
        if self.half:
            packed = weight.astype("<f2").tobytes()
            self.content += struct.pack("<I", FLOAT16_TAG) + packed + b"\0" * (-len(packed) % 4)
        else:
            self.content += struct.pack("<I", 0) + weight.astype("<f4").tobytes()
        self.content += self.tensors[f"{key}.bias"].astype("<f4").tobytes()
        return weight.shape[0], weight.size

    def conv(self, key: str, x: str, *, leaky: bool = False) -> str:
        outputs, size = self.weight(key)
        if self.fused:
            settings = f"0={outputs} 1=3 4=1 5=1 6={size}"
            settings += " 9=2 -23310=1,2.000000e-01" if leaky else ""
            return self.one("Convolution", [x], settings)
        settings = f"0={outputs} 1=3 11=3 2=1 12=1 3=1 13=1 4=1 14=1 15=1 16=1 5=1 6={size}"
        out = self.one("Convolution", [x], settings)
        return self.one("ReLU", [out], "0=2.000000e-01") if leaky else out

    def residual(self, x: str, base: str) -> str:
        if self.fused:
            return self.one("Eltwise", [x, base], "0=1 -23301=2,2.000000e-01,1.000000e+00")
        scaled = self.one("BinaryOp", [x], "0=2 1=1 2=2.000000e-01")
        return self.one("BinaryOp", [scaled, base], "0=0")

    def dense(self, name: str, x: str) -> str:
        x, *copies = self.split(x, 6)
        grown: list[list[str]] = [copies]
        for conv in range(1, 5):
            inputs = [parts.pop() for parts in grown]
            joined = self.one("Concat", inputs, "0=0") if conv > 1 else inputs[0]
            out = self.conv(f"{name}.conv{conv}", joined, leaky=True)
            grown.append(self.split(out, 5 - conv))
        joined = self.one("Concat", [parts.pop() for parts in grown], "0=0")
        return self.residual(self.conv(f"{name}.conv5", joined), x)

    def files(self) -> tuple[bytes, bytes]:
        blobs = sum(int(line.split()[3]) for line in self.lines)
        head = f"7767517\n{len(self.lines)} {blobs}\n"
        return (head + "\n".join(self.lines) + "\n").encode(), bytes(self.content)


def random_tensors(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> Tensors:
    """Weights that float16 holds exactly, small enough that no layer runs away."""
    rng = np.random.default_rng(seed)
    return {
        key: (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]) or 1.0) / 2)
        .astype(np.float16)
        .astype(np.float32)
        for key, shape in shapes.items()
    }


def rrdb_shapes(
    blocks: int, wide: int = 64, grow: int = 32, ups: int = 2, unshuffle: int = 1
) -> dict[str, tuple[int, ...]]:
    convs = {"conv_first": (wide, 3 * unshuffle**2)}
    for block in range(blocks):
        for dense in (1, 2, 3):
            for conv in range(1, 6):
                key = f"body.{block}.rdb{dense}.conv{conv}"
                convs[key] = (grow if conv < 5 else wide, wide + grow * (conv - 1))
    convs |= {"conv_body": (wide, wide)}
    convs |= {f"conv_up{n + 1}": (wide, wide) for n in range(ups)}
    convs |= {"conv_hr": (wide, wide), "conv_last": (3, wide)}
    shapes: dict[str, tuple[int, ...]] = {}
    for key, (outputs, inputs) in convs.items():
        shapes[f"{key}.weight"] = (outputs, inputs, 3, 3)
        shapes[f"{key}.bias"] = (outputs,)
    return shapes


def compact_shapes(convs: int, wide: int = 64, scale: int = 4) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for number in range(convs + 2):
        outputs = wide if number <= convs else 3 * scale**2
        shapes[f"body.{2 * number}.weight"] = (outputs, wide if number else 3, 3, 3)
        shapes[f"body.{2 * number}.bias"] = (outputs,)
        if number <= convs:
            shapes[f"body.{2 * number + 1}.weight"] = (wide,)
    return shapes


def write_rrdb(
    tensors: Tensors,
    blocks: int,
    *,
    ups: int = 2,
    unshuffle: int = 1,
    half: bool = True,
    fused: bool = True,
) -> tuple[bytes, bytes]:
    """`.param` and `.bin` of RRDBNet."""
    net = Writer(tensors, half, fused)
    net.layer("Input", [], "", ["data"])
    x = net.one("Reorg", ["data"], f"0={unshuffle}") if unshuffle > 1 else "data"
    first, x = net.split(net.conv("conv_first", x), 2)
    for block in range(blocks):
        base, x = net.split(x, 2)
        for dense in (1, 2, 3):
            x = net.dense(f"body.{block}.rdb{dense}", x)
        x = net.residual(x, base)
    x = net.one("BinaryOp", [first, net.conv("conv_body", x)], "0=0")
    for up in range(ups):
        x = net.one("Interp", [x], "0=1 1=2.000000e+00 2=2.000000e+00")
        x = net.conv(f"conv_up{up + 1}", x, leaky=True)
    x = net.conv("conv_hr", x, leaky=True)
    net.conv("conv_last", x)
    net.lines[-1] = net.lines[-1].replace(f" {100 + net.fresh} ", " output ")
    return net.files()


def write_compact(
    tensors: Tensors, convs: int, *, scale: int = 4, half: bool = True
) -> tuple[bytes, bytes]:
    """`.param` and `.bin` of SRVGGNetCompact."""
    net = Writer(tensors, half)
    net.layer("Input", [], "", ["data"])
    base, x = net.split("data", 2)
    for number in range(convs + 1):
        x = net.conv(f"body.{2 * number}", x)
        slopes = tensors[f"body.{2 * number + 1}.weight"]
        net.content += slopes.astype("<f4").tobytes()
        x = net.one("PReLU", [x], f"0={slopes.size}")
    x = net.conv(f"body.{2 * convs + 2}", x)
    x = net.one("PixelShuffle", [x], f"0={scale}")
    base = net.one("Interp", [base], f"0=1 1={scale:.6e} 2={scale:.6e}")
    net.layer("BinaryOp", [x, base], "0=0", ["output"])
    return net.files()
