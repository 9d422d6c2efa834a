import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from upscaled.engine import device_memory
from upscaled.engine.device_memory import Room, maps_place
from upscaled.engine.tiling.bands import SeamBlend, bands
from upscaled.engine.tiling.tuning import Learned, affordable_elements

plain = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(plain)
def test_whatever_was_stored_can_be_parsed(stored: object) -> None:
    assert Learned.parse(stored).aim("cpu") > 0


@given(st.dictionaries(st.sampled_from(["speeds", "ceiling", "bytes_per_element", "fp32"]), plain))
def test_odd_values_under_known_names_are_forgotten(stored: dict[str, object]) -> None:
    assert Learned.parse(stored).aim("cuda") > 0


def test_what_was_learned_survives_json() -> None:
    learned = Learned()
    learned.record_speed(1000, 5e9)
    learned.record_out_of_memory(4000)
    learned.fp32 = True
    assert Learned.parse(json.loads(json.dumps(learned.plain()))) == learned


def test_each_size_is_tried_once_and_then_the_fastest_is_kept() -> None:
    learned = Learned()
    tried = []
    for speed in (3.0, 9.0, 5.0):
        tried.append(learned.aim("cpu"))
        learned.record_speed(tried[-1], speed)
    assert len(set(tried)) == 3
    assert learned.aim("cpu") == tried[1]


def test_a_size_that_did_not_fit_is_not_aimed_at_again() -> None:
    learned = Learned()
    failed = learned.aim("cuda")
    learned.record_out_of_memory(failed)
    assert learned.aim("cuda") <= failed // 2


def test_a_ceiling_is_tried_anew_after_some_pictures_that_fitted() -> None:
    """What took the memory then, another program say, may be gone."""
    learned = Learned()
    learned.record_out_of_memory(1000)
    pictures = 0
    while learned.aim("cpu") < 1000:
        learned.record_success(learned.aim("cpu"), 1e9)
        pictures += 1
    assert 3 <= pictures <= 10
    assert not learned.speeds  # of sizes that were not aimed at
    learned.record_out_of_memory(1000)
    assert learned.aim("cpu") == 500


def test_where_a_step_does_not_fit_the_fastest_of_the_others_is_taken() -> None:
    learned = Learned()
    sizes = []
    for speed in (3.0, 9.0):
        sizes.append(learned.aim("cpu"))
        learned.record_success(sizes[-1], speed)
    largest = learned.aim("cpu")
    learned.record_failure(largest, largest)
    assert learned.aim("cpu") == sizes[1]


@given(free=st.integers(0, 1 << 40), workers=st.integers(1, 64))
def test_tiles_never_take_more_than_is_free(free: int, workers: int) -> None:
    elements = affordable_elements(
        Learned(bytes_per_element=4.0), aim=10**7, free_bytes=free, workers=workers, element_bytes=2
    )
    assert 1 <= elements <= 10**7
    assert elements == 1 or elements * 4 * workers <= free


def test_the_result_takes_memory_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_memory, "free_memory_bytes", lambda *_: 1000 << 20)
    cpu = Room.now(torch.device("cpu"), None, 300 << 20)
    assert cpu.device_bytes == cpu.host_bytes == 600 << 20
    assert maps_place(590 << 20, cpu) == "bands"
    gpu = Room.now(torch.device("cuda"), None, 300 << 20)
    assert (gpu.device_bytes, gpu.host_bytes) == (900 << 20, 600 << 20)


def test_maps_on_the_host_leave_the_device_to_the_tiles() -> None:
    gpu = Room(1 << 30, 8 << 30, is_shared=False, budget_bytes=900 << 20)
    assert gpu.tiles_bytes(4 << 30, "host") == 900 << 20
    assert gpu.tiles_bytes(500 << 20, "device") == 400 << 20
    cpu = Room(8 << 30, 8 << 30)
    assert cpu.tiles_bytes(3 << 30, "host") == 5 << 30


def test_feature_maps_go_where_they_fit() -> None:
    assert maps_place(0, Room(0, 0)) == "device"  # a network that keeps none
    room = Room(device_bytes=1 << 30, host_bytes=8 << 30)
    assert maps_place(100 << 20, room) == "device"
    assert maps_place(2 << 30, room) == "host"
    assert maps_place(9 << 30, room) == "bands"


@given(
    height=st.integers(1, 5000),
    most_rows=st.integers(1, 3000),
    reach=st.integers(1, 700),
    multiple=st.sampled_from([1, 2, 4]),
)
def test_bands_keep_each_row_once_and_start_on_the_grid(
    height: int, most_rows: int, reach: int, multiple: int
) -> None:
    cut = bands(height, most_rows=most_rows, reach_px=reach, multiple=multiple)
    if cut is None:
        return
    kept = [row for band in cut for row in range(band.first, band.last)]
    assert kept == list(range(height))
    for band in cut:
        assert band.bottom - band.top <= most_rows
        assert band.top % multiple == band.first % multiple == 0
        assert band.top <= band.first < band.last <= band.bottom


def test_seams_without_a_difference_say_so() -> None:
    assert "no difference" in SeamBlend().note(3, 255)
