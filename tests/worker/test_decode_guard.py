"""Decoding has its time and its memory; what others take is not held against it."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.builders import order
from support.fakes import FakeClock
from upscaled.worker.decode_guard import LEAST_BYTES, LEAST_S, DecodeGuard, longest_s, most_bytes

ORDER = order(Path("/in/a.png"), Path("/out"))


@dataclass
class Machine:
    clock: FakeClock = field(default_factory=FakeClock)
    resident_bytes: int = 500_000_000
    reasons: list[str] = field(default_factory=list)
    guard: DecodeGuard = field(init=False)

    def __post_init__(self) -> None:
        self.guard = DecodeGuard(
            self.reasons.append,
            monotonic=self.clock.monotonic,
            resident_bytes=lambda: self.resident_bytes,
        )


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_a_decoder_that_takes_too_long_is_named_with_its_limit(machine: Machine) -> None:
    with machine.guard.over(ORDER, 0):
        machine.clock.advance(LEAST_S)
        machine.guard.look()
        assert machine.reasons == []
        machine.clock.advance(0.1)
        machine.guard.look()
    assert machine.reasons == ["decoding a.png took longer than 60 s"]


def test_each_frame_has_time_of_its_own_and_more_where_it_is_large(machine: Machine) -> None:
    with machine.guard.over(ORDER, 10_000_000) as expect:
        for _ in range(100):
            expect(40_000_000)
            machine.clock.advance(longest_s(10_000_000, 40_000_000) - 1)
            machine.guard.look()
        assert machine.reasons == []
        machine.clock.advance(2)
        machine.guard.look()
    assert machine.reasons == ["decoding a.png took longer than 105 s"]


def test_what_ended_is_not_minded_any_more(machine: Machine) -> None:
    with machine.guard.over(ORDER, 0):
        pass
    machine.clock.advance(1e6)
    machine.resident_bytes += 10**12
    machine.guard.look()
    assert machine.reasons == []


def test_a_decoder_that_eats_memory_is_named(machine: Machine) -> None:
    with machine.guard.over(ORDER, 1_000) as expect:
        expect(1_000_000)
        machine.resident_bytes += most_bytes(1_000, 1_000_000)
        machine.guard.look()
        assert machine.reasons == []
        machine.resident_bytes += 1
        machine.guard.look()
    assert machine.reasons == ["decoding a.png took more than 2.2 GB of memory"]


def test_memory_of_the_network_beside_it_is_not_the_decoders(machine: Machine) -> None:
    with machine.guard.over(ORDER, 0):
        with machine.guard.beside():
            machine.resident_bytes += 100 * LEAST_BYTES
            machine.guard.look()
        machine.guard.look()
        assert machine.reasons == []
        machine.resident_bytes += LEAST_BYTES + 1
        machine.guard.look()
    assert len(machine.reasons) == 1
