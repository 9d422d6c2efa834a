import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.ncnn_export import (
    compact_shapes,
    random_tensors,
    rrdb_shapes,
    write_compact,
    write_rrdb,
)
from upscaled.errors import ModelCorrupt, ModelError, ModelUnsupported
from upscaled.models.conversion import Converted, convert


def same(converted: Converted, tensors: dict[str, np.ndarray]) -> bool:
    return converted.tensors.keys() == tensors.keys() and all(
        np.array_equal(converted.tensors[key], tensors[key]) for key in tensors
    )


@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(
    ("blocks", "wide", "ups", "unshuffle", "scale"),
    [(1, 8, 2, 1, 4), (3, 16, 1, 1, 2), (2, 8, 3, 1, 8), (1, 8, 0, 1, 1), (1, 8, 2, 2, 2)],
)
def test_every_size_of_rrdbnet_comes_back_as_it_was_written(
    *, blocks: int, wide: int, ups: int, unshuffle: int, scale: int, half: bool, fused: bool
) -> None:
    tensors = random_tensors(rrdb_shapes(blocks, wide, 4, ups, unshuffle))
    files = write_rrdb(tensors, blocks, ups=ups, unshuffle=unshuffle, half=half, fused=fused)
    converted = convert(*files)
    assert (converted.architecture, converted.scale) == ("ESRGAN", scale)
    assert same(converted, tensors)
    assert all(tensor.dtype == np.float32 for tensor in converted.tensors.values())


@pytest.mark.parametrize(("convs", "wide", "scale"), [(16, 8, 4), (32, 4, 2), (1, 6, 3), (2, 4, 1)])
def test_every_size_of_compact_comes_back_as_it_was_written(
    convs: int, wide: int, scale: int
) -> None:
    tensors = random_tensors(compact_shapes(convs, wide, scale))
    converted = convert(*write_compact(tensors, convs, scale=scale))
    assert (converted.architecture, converted.scale) == ("Compact", scale)
    assert same(converted, tensors)


def test_one_slope_for_all_channels_is_spread_over_them() -> None:
    tensors = random_tensors(compact_shapes(1, 6, 2))
    tensors["body.1.weight"] = np.full(1, 0.25, np.float32)
    converted = convert(*write_compact(tensors, 1, scale=2))
    assert converted.tensors["body.1.weight"].tolist() == [0.25] * 6


def test_a_convolution_without_bias_gets_one_of_zeros() -> None:
    tensors = random_tensors(compact_shapes(1, 4, 2))
    tensors["body.4.bias"][:] = 0
    param, content = write_compact(tensors, 1, scale=2)
    lines = param.decode().split("\n")
    last = max(n for n, line in enumerate(lines) if line.startswith("Convolution"))
    lines[last] = lines[last].replace(" 5=1", "")
    converted = convert("\n".join(lines).encode(), content[: -4 * 12])
    assert same(converted, tensors)


PARAM, CONTENT = write_rrdb(random_tensors(rrdb_shapes(1, 8, 4)), 1)
COMPACT, SLOPES = write_compact(random_tensors(compact_shapes(2, 4)), 2)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("7767517", "7767518", ModelCorrupt),
        ("ReLU", "Softmax", ModelUnsupported),
        ("0=3 1=3", "0=3 1=1", ModelUnsupported),
        ("Eltwise ", "Permute ", ModelUnsupported),
        ("-23301=2,2.000000e-01", "-23301=2,3.000000e-01", ModelUnsupported),
        ("-23301=2,", "-23301=3,", ModelCorrupt),
        ("-23310=1,2.000000e-01", "-23310=1,1.000000e-01", ModelUnsupported),
        ("0=1 1=2.000000e+00", "0=2 1=2.000000e+00", ModelUnsupported),
        ("2=2.000000e+00", "2=3.000000e+00", ModelUnsupported),
        ("4=1 5=1", "4=0 5=1", ModelUnsupported),
        ("4=1 5=1", "4=1 3=2 5=1", ModelUnsupported),
        ("5=1 6=", "5=1 8=1 6=", ModelUnsupported),
        ("6=216", "6=217", ModelCorrupt),
        ("6=216", "6=nan", ModelCorrupt),
        ("0=4 1=3", "0=5 1=3", ModelCorrupt),
        (" data ", " nothing ", ModelCorrupt),
        ("_splitncnn_1 ", "_splitncnn_0 ", ModelError),
    ],
)
def test_a_changed_layer_is_refused(old: str, new: str, error: type[ModelError]) -> None:
    source = PARAM if old in PARAM.decode() else PARAM.replace(b"Concat", b"ReLU")
    changed = source.decode().replace(old, new, 1)
    assert changed != PARAM.decode()
    with pytest.raises(error) as caught:
        convert(changed.encode(), CONTENT)
    assert caught.value.message


def test_a_file_that_shrinks_its_result_names_the_right_one() -> None:
    lines = COMPACT.decode().replace(" output ", " large ").rstrip("\n").split("\n")
    lines.append("Interp last 1 1 large output 0=3 1=5.0e-01 2=5.0e-01")
    lines[1] = f"{len(lines) - 2} 99"
    with pytest.raises(ModelUnsupported, match=r"x4 network by 0\.5") as caught:
        convert("\n".join(lines).encode(), SLOPES)
    assert "x4 file" in (caught.value.hint or "")


@pytest.mark.parametrize("cut", [1, 2, 4, 100, len(CONTENT)])
def test_a_truncated_bin_is_damaged(cut: int) -> None:
    with pytest.raises(ModelCorrupt, match="ends inside"):
        convert(PARAM, CONTENT[:-cut])


def test_a_bin_with_more_than_the_param_says_is_another_models() -> None:
    with pytest.raises(ModelCorrupt, match="4 bytes more"):
        convert(PARAM, CONTENT + b"\0\0\0\0")


@pytest.mark.parametrize("tag", [0x000D4B38, 0x0002C056, 7])
def test_quantised_weights_are_refused_by_their_tag(tag: int) -> None:
    with pytest.raises(ModelUnsupported, match="weights of"):
        convert(PARAM, struct.pack("<I", tag) + CONTENT[4:])


def test_weights_that_are_no_numbers_are_damage() -> None:
    nan = np.full(2, np.nan, "<f2").tobytes()
    with pytest.raises(ModelCorrupt, match="not all numbers"):
        convert(PARAM, CONTENT[:4] + nan + CONTENT[8:])


def test_concats_of_concats_cannot_fill_the_memory() -> None:
    lines = ["Input in 0 1 x0"]
    lines += [f"Concat c{n} 2 1 x{n} x{n} x{n + 1} 0=0" for n in range(200)]
    param = f"7767517\n{len(lines)} 201\n" + "\n".join(lines)
    with pytest.raises(ModelUnsupported, match="not a plain concat"):
        convert(param.encode(), b"")


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=200), head=st.booleans())
def test_no_text_makes_the_parser_raise_anything_of_its_own(text: str, head: bool) -> None:
    param = (f"7767517\n{text.count(chr(10)) + 1} 1\n" if head else "") + text
    with pytest.raises(ModelError):
        convert(param.encode("utf-8", "surrogatepass"), b"")


@settings(max_examples=200, deadline=None)
@given(draw=st.data())
def test_no_damage_makes_it_raise_anything_of_its_own(draw: st.DataObject) -> None:
    words = COMPACT.decode().split(" ")
    at = draw.draw(st.integers(0, len(words) - 1))
    words[at] = draw.draw(st.sampled_from(["", "0", "-1", "1e999", "nan", "9=9", "=", "x\n", "7"]))
    try:
        converted = convert(" ".join(words).encode(), SLOPES)
    except ModelError:
        return
    assert converted.architecture == "Compact"
