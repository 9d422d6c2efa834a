"""What the engine does when memory, numbers or the device fail it."""

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from upscaled.engine import device_memory
from upscaled.engine.bench import measurement
from upscaled.engine.device import Device, cpu_has_bf16
from upscaled.engine.network import load_network
from upscaled.engine.plans import esrgan
from upscaled.engine.plans.plan import PaddedBody
from upscaled.engine.tiling import exact_run
from upscaled.engine.tiling.block_run import BlockRun
from upscaled.engine.tiling.tile_io import TileReader
from upscaled.engine.tiling.tiles import Box
from upscaled.engine.tiling.tuning import Lessons
from upscaled.engine.upscaler import TorchUpscaler, open_upscaler
from upscaled.errors import BadResult, DeviceLost, OutOfMemory, StopRequested
from upscaled.pipeline.protocols import Pixels

Maker = Callable[[str], Path]
Upscale = Callable[[TorchUpscaler, Pixels], Pixels]
PRECISION = "bf16" if cpu_has_bf16() else "fp32"
NO_MEMORY = "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ... bytes"


@pytest.fixture
def pixels(picture: Callable[..., Pixels]) -> Pixels:
    return picture(150, 190)


def opened(file: Path, **options: Any) -> TorchUpscaler:
    return open_upscaler(file, device="cpu", precision=PRECISION, **options)


def in_bf16(file: Path, learned: Mapping[str, Any] | None = None) -> TorchUpscaler:
    """Emulated, and slow, where the CPU has none."""
    device = Device(torch.device("cpu"), torch.bfloat16, fused=cpu_has_bf16())
    return TorchUpscaler(load_network(file), device, learned=Lessons(learned or {}))


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], bool]], Counter[Any]]:
    """`faults(fails)`: tiles over `fails(area)` run out of memory; counts each tile finished."""

    def install(fails: Callable[[int], bool | None]) -> Counter[Any]:
        finished: Counter[Any] = Counter()
        lock = threading.Lock()
        whole = BlockRun._do

        def do(self: BlockRun, block: Any, source: Any, target: Any, core: Box) -> bool:
            with lock:
                failing = fails(core.area)
            if failing:
                raise RuntimeError(NO_MEMORY)
            result = whole(self, block, source, target, core)
            with lock:
                for row in range(core.top, core.bottom):
                    finished[id(block), row, core.left, core.right] += 1
            return result

        monkeypatch.setattr(BlockRun, "_do", do)
        return finished

    return install


@pytest.mark.parametrize("kind", ["x4", "compact"])
@pytest.mark.parametrize("seed", range(3))
def test_running_out_of_memory_at_random_changes_nothing(
    kind: str,
    seed: int,
    *,
    pixels: Pixels,
    network_file: Maker,
    upscale: Upscale,
    faults: Callable[..., Counter[Any]],
) -> None:
    expected = upscale(opened(network_file(kind)), pixels)
    dice = random.Random(seed)  # noqa: S311 - faults, no secrets
    finished = faults(lambda area: area > 600 and dice.random() < 0.3)
    assert np.array_equal(upscale(opened(network_file(kind)), pixels), expected)
    _each_pixel_once(finished, pixels)


def _each_pixel_once(finished: Counter[Any], pixels: Pixels) -> None:
    height, width, _ = pixels.shape
    covered = {block: np.zeros((height, width), int) for block, *_ in finished}
    for (block, row, left, right), times in finished.items():
        covered[block][row, left:right] += times
    assert covered
    for counts in covered.values():
        assert (counts == 1).all()


def test_a_ceiling_is_learned_and_survives_a_restart(
    pixels: Pixels, network_file: Maker, upscale: Upscale, faults: Callable[..., Counter[Any]]
) -> None:
    expected = upscale(opened(network_file("x4")), pixels)
    failures = []
    faults(lambda area: area > 2000 and not failures.append(area))
    first = opened(network_file("x4"))
    assert np.array_equal(upscale(first, pixels), expected)
    assert failures

    learned = json.loads(json.dumps(first.learned()))
    failures.clear()
    second = opened(network_file("x4"), learned=learned)
    assert np.array_equal(upscale(second, pixels), expected)
    assert not failures


def test_what_does_not_fit_at_all_is_out_of_memory(
    pixels: Pixels, network_file: Maker, upscale: Upscale, faults: Callable[..., Counter[Any]]
) -> None:
    faults(lambda _area: True)
    with pytest.raises(OutOfMemory) as caught:
        upscale(opened(network_file("x4")), pixels)
    assert caught.value.hint


def test_an_upscaler_is_usable_after_it_ran_out_of_memory(
    pixels: Pixels, network_file: Maker, upscale: Upscale, monkeypatch: pytest.MonkeyPatch
) -> None:
    resident = opened(network_file("x4"))
    expected = upscale(resident, pixels)
    with monkeypatch.context() as patch:
        patch.setattr(PaddedBody, "__call__", _raising(RuntimeError(NO_MEMORY)))
        with pytest.raises(OutOfMemory):
            upscale(resident, pixels)
    assert np.array_equal(upscale(resident, pixels), expected)


@pytest.mark.parametrize("budget_bytes", [1, 50 << 20])
def test_a_small_budget_changes_no_bit(
    budget_bytes: int, pixels: Pixels, network_file: Maker, upscale: Upscale
) -> None:
    generous = opened(network_file("x4"))
    expected = upscale(generous, pixels)
    frugal = opened(network_file("x4"), memory_bytes=budget_bytes)
    assert np.array_equal(upscale(frugal, pixels), expected)
    assert frugal.tile_px is not None
    assert any("memory" in note for note in frugal.notes)


@pytest.mark.parametrize("kind", ["x4plus", "compact", "span", "x2"])
def test_a_third_of_the_memory_that_the_default_takes_gives_the_same_bits(
    kind: str,
    *,
    picture: Callable[..., Pixels],
    network_file: Maker,
    x4plus_file: Path,
    upscale: Upscale,
    faults: Callable[..., Counter[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the whole process, as `memory:` counts it; and of the engine's own share of it."""
    file = x4plus_file if kind == "x4plus" else network_file(kind)
    pixels = picture(50, 90) if kind == "x4plus" else picture(110, 170)
    areas: list[int] = []
    faults(areas.append)  # which is no failure
    monkeypatch.setattr(device_memory, "_LEAST_FOR_TILES_BYTES", 2 << 20)
    default = opened(file)
    expected = upscale(default, pixels)
    tiles = len(areas)
    budget_bytes = measurement.peak_mb() * 2**20 // 3
    thrifty = opened(file, memory_bytes=budget_bytes)
    assert np.array_equal(upscale(thrifty, pixels), expected)
    assert len(areas) > 2 * tiles  # it did take smaller ones
    assert default.tile_px is not None
    tiles_px = default.tile_px // 2  # a quarter of the area: less than a third of the memory
    assert np.array_equal(upscale(opened(file, tile_px=tiles_px), pixels), expected)


def test_without_memory_for_the_feature_maps_the_picture_goes_in_bands_and_says_so(
    network_file: Maker,
    picture: Callable[..., Pixels],
    upscale: Upscale,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pixels = picture(300, 70)
    expected = upscale(opened(network_file("x4")), pixels)
    # 3 maps of 64 channels: room for 150 rows, and a reach of 2 × 15 + 4 px.
    row_bytes = 3 * 64 * 70 * (2 if PRECISION == "bf16" else 4)
    monkeypatch.setattr(device_memory, "_LEAST_FOR_TILES_BYTES", 0)
    monkeypatch.setattr(
        device_memory.Room,
        "now",
        lambda *_: device_memory.Room(2 * 150 * row_bytes, 2 * 150 * row_bytes),
    )
    monkeypatch.setattr(exact_run, "maps_place", lambda *_: "bands")
    banded = opened(network_file("x4"))
    result = upscale(banded, pixels)
    assert np.array_equal(result, expected)  # the overlap covers the whole reach
    assert any("bands" in note and "no difference" in note for note in banded.notes)

    monkeypatch.setattr(
        device_memory.Room,
        "now",
        lambda *_: device_memory.Room(2 * 60 * row_bytes, 2 * 60 * row_bytes),
    )
    result = upscale(banded, pixels)
    assert result.shape == expected.shape
    assert np.abs(result.astype(int) - expected).max() < 20  # 15 px of overlap: nearly
    assert any("bands" in note for note in banded.notes)


def _raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise error

    return fail


def test_a_lost_device_is_told_apart_from_lack_of_memory(
    pixels: Pixels, network_file: Maker, upscale: Upscale, monkeypatch: pytest.MonkeyPatch
) -> None:
    resident = opened(network_file("x4"))
    lost = RuntimeError("CUDA error: an illegal memory access was encountered")
    monkeypatch.setattr(PaddedBody, "__call__", _raising(lost))
    with pytest.raises(DeviceLost, match="illegal memory access"):
        upscale(resident, pixels)


@pytest.mark.parametrize("tile_px", [None, 256])
def test_the_next_process_takes_smaller_tiles_than_the_one_that_got_no_kernel(
    tile_px: int | None,
    *,
    picture: Callable[..., Pixels],
    network_file: Maker,
    upscale: Upscale,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elements: list[int] = []
    whole = BlockRun._do

    def fail(run: BlockRun, block: Any, source: Any, target: Any, core: Box) -> bool:
        elements.append(core.area * block.elements_per_px)
        if len(elements) == 1:
            raise RuntimeError("could not create a primitive")
        return whole(run, block, source, target, core)

    monkeypatch.setattr(BlockRun, "_do", fail)
    pixels = picture(250, 300)
    lost = opened(network_file("x4"), tile_px=tile_px)
    with pytest.raises(DeviceLost, match="kernel"):
        upscale(lost, pixels)
    failed, *_ = elements
    elements[:] = [0]
    learned = json.loads(json.dumps(lost.learned()))
    upscale(opened(network_file("x4"), tile_px=tile_px, learned=learned), pixels)
    assert max(elements) < failed


@pytest.mark.filterwarnings("ignore:torch.meshgrid")  # spandrel's own call of SwinIR
def test_so_it_is_with_feathered_tiles(
    picture: Callable[..., Pixels],
    network_file: Maker,
    upscale: Upscale,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    areas: list[int] = []
    read = TileReader.read

    def fail(source: TileReader, region: Box) -> torch.Tensor:
        areas.append(region.area)
        if len(areas) == 1:
            raise RuntimeError("could not create a primitive")
        return read(source, region)

    monkeypatch.setattr(TileReader, "read", fail)
    file, pixels = network_file("swinir"), picture(150, 200)
    lost = open_upscaler(file, device="cpu", precision="fp32")
    with pytest.raises(DeviceLost, match="kernel"):
        upscale(lost, pixels)
    failed, *_ = areas
    areas[:] = [0]
    upscale(open_upscaler(file, device="cpu", precision="fp32", learned=lost.learned()), pixels)
    assert max(areas) < failed


def test_a_forced_tile_that_does_not_fit_is_tried_once(
    pixels: Pixels, network_file: Maker, upscale: Upscale, faults: Callable[..., Counter[Any]]
) -> None:
    failures: list[int] = []
    faults(lambda area: area > 64 * 64 and not failures.append(area))
    upscaler = opened(network_file("x4"), tile_px=128)
    upscale(upscaler, pixels)
    workers = torch.get_num_threads()
    assert 1 <= len(failures) <= 2 * workers  # each at once, and once more where it was halved
    before = upscaler.tile_px
    upscale(upscaler, pixels)
    assert upscaler.tile_px is not None
    assert before is not None
    assert upscaler.tile_px < before


def test_other_errors_are_not_swallowed(
    pixels: Pixels, network_file: Maker, upscale: Upscale, monkeypatch: pytest.MonkeyPatch
) -> None:
    resident = opened(network_file("x4"))
    monkeypatch.setattr(esrgan.DenseBlock, "__call__", _raising(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        upscale(resident, pixels)


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), 0.0])
def test_no_picture_in_low_precision_is_redone_in_fp32_and_remembered(
    broken: float,
    pixels: Pixels,
    network_file: Maker,
    upscale: Upscale,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pixels = pixels[:50, :60]
    expected = upscale(open_upscaler(network_file("x4"), precision="fp32"), pixels)
    whole = BlockRun._tile

    def tile(self: BlockRun, block: Any, source: Any, core: Box) -> torch.Tensor:
        result = whole(self, block, source, core)
        tried.add(self._device.dtype)
        is_low = self._device.dtype is not torch.float32
        return torch.full_like(result, broken) if is_low else result

    monkeypatch.setattr(BlockRun, "_tile", tile)
    tried: set[torch.dtype] = set()
    seen: list[int] = []
    resident = in_bf16(network_file("x4"))
    result = resident.upscale(
        pixels, progress=lambda done, _all: seen.append(done), cancelled=lambda: False
    )
    assert np.array_equal(result, expected)
    assert seen == sorted(seen)
    assert any("fp32" in note for note in resident.notes)
    learned = resident.learned()
    (marked,) = (key for key, known in learned.items() if known["fp32"])
    assert marked.startswith("cpu/ESRGAN/bf16/")

    # After a restart there is no first try; another network of the architecture has one.
    tried.clear()
    seen.clear()
    again = in_bf16(network_file("x4"), learned)
    again.upscale(pixels, progress=lambda done, _all: seen.append(done), cancelled=lambda: False)
    assert tried == {torch.float32}
    assert seen[0] < seen[-1] / 4
    other = in_bf16(network_file("x1"), learned)
    upscale(other, pixels[:40, :40])
    assert len(tried) == 2


def test_no_picture_in_fp32_either_is_a_bad_result(
    pixels: Pixels, network_file: Maker, upscale: Upscale, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = PaddedBody.__call__
    monkeypatch.setattr(PaddedBody, "__call__", lambda *given: whole(*given).mul(float("nan")))
    with pytest.raises(BadResult) as caught:
        upscale(opened(network_file("x4")), pixels)
    assert caught.value.hint


def test_a_flat_picture_may_stay_flat(
    network_file: Maker, upscale: Upscale, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = BlockRun._tile
    monkeypatch.setattr(BlockRun, "_tile", lambda *given: whole(*given).mul(0))
    black = np.zeros((20, 20, 3), np.uint8)
    assert upscale(opened(network_file("x4")), black).max() == 0


def test_stopping_takes_one_tile_and_leaves_no_thread(pixels: Pixels, network_file: Maker) -> None:
    calls = iter([False, False, False, True])
    with pytest.raises(StopRequested):
        opened(network_file("x4"), tile_px=32).upscale(
            pixels, progress=lambda *_: None, cancelled=lambda: next(calls, True)
        )


def test_progress_grows_to_its_end_and_comes_from_the_calling_thread(
    pixels: Pixels, network_file: Maker
) -> None:
    seen: list[tuple[int, int]] = []
    threads = set()

    def progress(done: int, total: int) -> None:
        seen.append((done, total))
        threads.add(threading.get_ident())

    opened(network_file("x4"), tile_px=64).upscale(
        pixels, progress=progress, cancelled=lambda: False
    )
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
    assert len({total for _, total in seen}) == 1
    assert len(seen) > 10
    assert threads == {threading.get_ident()}


def test_a_picture_that_may_only_be_read_is_read(
    network_file: Maker, picture: Callable[..., Pixels], upscale: Upscale
) -> None:
    pixels = picture(20, 30)
    expected = upscale(opened(network_file("compact")), pixels)
    pixels.flags.writeable = False
    assert np.array_equal(upscale(opened(network_file("compact")), pixels), expected)


def test_16_bit_pictures_keep_their_depth(
    network_file: Maker, picture: Callable[..., Pixels], upscale: Upscale
) -> None:
    pixels = picture(40, 50, np.uint16)
    result = upscale(opened(network_file("compact")), pixels)
    assert result.dtype == np.uint16
    assert len(np.unique(result & 0xFF)) > 200
    eight = upscale(opened(network_file("compact")), (pixels >> 8).astype(np.uint8))
    assert np.abs(result / 65535 - eight / 255).mean() < 0.02


def test_the_result_does_not_depend_on_the_number_of_threads(
    pixels: Pixels, network_file: Maker, upscale: Upscale
) -> None:
    expected = upscale(opened(network_file("x4")), pixels)
    before = torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            assert np.array_equal(upscale(opened(network_file("x4")), pixels), expected)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_without_threads_to_be_had_the_caller_does_it_alone_and_says_so(
    pixels: Pixels, network_file: Maker, upscale: Upscale, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = upscale(opened(network_file("x4")), pixels)
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("tile"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    upscaler = opened(network_file("x4"))
    assert np.array_equal(upscale(upscaler, pixels), expected)
    assert upscaler.notes == ("done on 1 of 3 cores: no more threads to be had",)
