"""A detector in YuNet's format that takes blue squares for faces, as an ONNX file: no package of
ONNX is needed for so small a graph.

Inputs and outputs are those of face_detection_yunet_2023mar.onnx: for each of the strides 8, 16
and 32 the class, the objectness, a box and five points of each cell of the picture, which comes
as B, G, R of 0 to 255.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

STRIDES = (8, 16, 32)
CELL_PX = 32
POINTS = np.array([[9, 10], [23, 10], [16, 18], [10, 25], [22, 25]], np.float32)
"""Of the "face" in a blue cell of 32 px, from the cell's corner."""


def write_detector(path: Path) -> Path:
    graph = b"".join(_graph())
    model = _number(1, 8) + _bytes(8, _number(2, 13)) + _bytes(7, graph)
    path.write_bytes(model)
    return path


def _graph() -> Iterator[bytes]:
    yield _bytes(2, b"twin")
    yield _bytes(11, _value("input", (1, 3, "h", "w")))
    for stride in STRIDES:
        sure = 1.0 if stride == CELL_PX else 0.0
        blue = np.zeros((1, 3, stride, stride), np.float32)
        # 1 where blue is full and the others are 0, far below where they are not.
        blue[0] = np.array([1, -1, -1], np.float32)[:, None, None] / (255 * stride**2)
        nothing = np.zeros((1, 3, stride, stride), np.float32)
        points = (POINTS / CELL_PX).reshape(-1)
        box = np.array([0.5, 0.5, 0, 0], np.float32)
        yield from _head(f"cls_{stride}", stride, blue * sure, np.zeros(1, np.float32))
        yield from _head(f"obj_{stride}", stride, nothing, np.full(1, sure, np.float32))
        yield from _head(f"bbox_{stride}", stride, nothing.repeat(4, 0), box)
        yield from _head(f"kps_{stride}", stride, nothing.repeat(10, 0), points)


def _head(
    name: str, stride: int, weight: NDArray[np.float32], bias: NDArray[np.float32]
) -> Iterator[bytes]:
    size = _attribute("strides", (stride, stride)) + _attribute("kernel_shape", (stride, stride))
    yield _bytes(5, _tensor(f"{name}.weight", weight)) + _bytes(5, _tensor(f"{name}.bias", bias))
    shape = np.array([1, -1, len(bias)], np.int64)
    yield _bytes(5, _tensor(f"{name}.shape", shape))
    yield _node("Conv", ("input", f"{name}.weight", f"{name}.bias"), f"{name}.map", size)
    order = _attribute("perm", (0, 2, 3, 1))
    yield _node("Transpose", (f"{name}.map",), f"{name}.last", order)
    yield _node("Reshape", (f"{name}.last", f"{name}.shape"), name)
    yield _bytes(12, _value(name, (1, f"{name}.n", len(bias))))


def _node(kind: str, inputs: tuple[str, ...], output: str, attributes: bytes = b"") -> bytes:
    given = b"".join(_bytes(1, name.encode()) for name in inputs)
    told = _bytes(3, output.encode()) + _bytes(4, kind.encode()) + attributes
    return _bytes(1, given + _bytes(2, output.encode()) + told)


def _attribute(name: str, numbers: tuple[int, ...]) -> bytes:
    written = b"".join(_number(8, number) for number in numbers)
    return _bytes(5, _bytes(1, name.encode()) + written + _number(20, 7))


def _tensor(name: str, values: NDArray[np.float32] | NDArray[np.int64]) -> bytes:
    dims = b"".join(_number(1, size) for size in values.shape)
    kind = 1 if values.dtype == np.float32 else 7
    return dims + _number(2, kind) + _bytes(8, name.encode()) + _bytes(9, values.tobytes())


def _value(name: str, shape: tuple[int | str, ...]) -> bytes:
    sizes = b"".join(
        _bytes(1, _number(1, size) if isinstance(size, int) else _bytes(2, size.encode()))
        for size in shape
    )
    tensor = _number(1, 1) + _bytes(2, sizes)
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, tensor))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
