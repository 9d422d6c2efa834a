"""Settling, on a clock that stands still until a test moves it."""

import math
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from support.fakes import FakeClock
from upscaled.job import Fingerprint
from upscaled.watch.settle import EMPTY_FACTOR, WRITING_FACTOR, Hint, Look, Settling

SETTLE_S = 2.0


def look(version: int = 1, *, size_bytes: int = 100, links: int = 1, odd: bool = False) -> Look:
    mark = Fingerprint(device=1, inode=1, size_bytes=size_bytes, mtime_ns=version)
    return Look(mark, links=links, reject_reason="is a named pipe" if odd else None)


@dataclass
class World:
    """Files that tests write, and the machine that watches them."""

    clock: FakeClock = field(default_factory=FakeClock)
    files: dict[bytes, Look] = field(default_factory=dict)
    changed_at: dict[bytes, float] = field(default_factory=dict)
    settling: Settling = field(default_factory=lambda: Settling(SETTLE_S))
    emitted: list[tuple[bytes, Look]] = field(default_factory=list)

    def write(self, path: bytes, seen: Look) -> None:
        self.files[path] = seen
        self.changed_at[path] = self.clock.monotonic()

    def see(self, path: bytes, hint: Hint = Hint.FOUND, slow_s: float = 0.0) -> None:
        now = self.clock.monotonic()
        self.settling.see(path, self.files[path], now, hint=hint, slow_s=slow_s)

    def wait(self, seconds: float) -> list[bytes]:
        """Let time pass; what was emitted at its end."""
        self.clock.advance(seconds)
        ready = self.settling.settled(self.clock.monotonic(), self.files.get, limit=1000)
        self.emitted += [(each.path, each.look) for each in ready]
        return [each.path for each in ready]


def test_a_closed_file_settles_after_exactly_one_window() -> None:
    world = World()
    world.write(b"a", look())
    world.see(b"a", Hint.COMPLETE)
    assert world.settling.next_due() == world.clock.monotonic() + SETTLE_S
    assert world.wait(SETTLE_S - 0.01) == []
    assert world.wait(0.01) == [b"a"]
    assert len(world.settling) == 0
    assert world.settling.next_due() == math.inf


def test_a_file_that_grows_starts_its_window_again() -> None:
    world = World()
    for version in range(1, 6):
        world.write(b"a", look(version, size_bytes=version))
        world.see(b"a", Hint.COMPLETE)
        assert world.wait(SETTLE_S - 0.1) == []
    assert world.wait(0.1) == [b"a"]


def test_a_change_that_nothing_announced_is_seen_by_the_second_look() -> None:
    world = World()
    world.write(b"a", look(1))
    world.see(b"a")
    world.clock.advance(SETTLE_S - 0.01)
    world.write(b"a", look(2))
    assert world.wait(0.01) == []
    assert world.wait(SETTLE_S - 0.01) == []
    assert world.wait(0.01) == [b"a"]


def test_an_old_mtime_spares_no_file_its_second_look() -> None:
    world = World()
    world.write(b"a", look(version=0))  # 1970
    world.see(b"a")
    assert world.wait(0.0) == []
    assert world.wait(SETTLE_S) == [b"a"]


def test_scanning_a_quiet_file_again_does_not_put_it_off() -> None:
    world = World()
    world.write(b"a", look())
    world.see(b"a")
    world.wait(SETTLE_S - 0.5)
    world.see(b"a")
    assert world.wait(0.5) == [b"a"]


def test_closing_a_file_puts_it_off_even_where_its_fingerprint_is_the_same() -> None:
    world = World()
    world.write(b"a", look())
    world.see(b"a", Hint.COMPLETE)
    world.wait(SETTLE_S - 0.5)
    world.see(b"a", Hint.COMPLETE)
    assert world.wait(0.5) == []
    assert world.wait(SETTLE_S - 0.5) == [b"a"]


def test_a_file_whose_writer_pauses_waits_longer_until_it_is_closed() -> None:
    world = World()
    world.write(b"a", look())
    world.see(b"a", Hint.CREATED)
    assert world.wait(SETTLE_S * (WRITING_FACTOR - 1)) == []
    world.see(b"a", Hint.COMPLETE)
    assert world.wait(SETTLE_S) == [b"a"]


def test_a_file_whose_close_was_never_heard_settles_nevertheless() -> None:
    world = World()
    world.write(b"a", look())
    world.see(b"a", Hint.CREATED)
    assert world.wait(SETTLE_S * WRITING_FACTOR) == [b"a"]


def test_a_hard_link_is_complete_when_it_is_born() -> None:
    world = World()
    world.write(b"a", look(links=2))
    world.see(b"a", Hint.CREATED)
    assert world.wait(SETTLE_S) == [b"a"]


def test_an_empty_file_waits_ten_windows_and_one_once_it_has_bytes() -> None:
    world = World()
    world.write(b"empty", look(size_bytes=0))
    world.write(b"filled", look(size_bytes=0))
    world.see(b"empty", Hint.COMPLETE)
    world.see(b"filled", Hint.COMPLETE)
    world.wait(SETTLE_S * 2)
    world.write(b"filled", look(2))
    world.see(b"filled", Hint.COMPLETE)
    assert world.wait(SETTLE_S) == [b"filled"]
    assert world.wait(SETTLE_S * (EMPTY_FACTOR - 3)) == [b"empty"]


def test_a_pipe_is_not_taken_for_an_empty_file() -> None:
    world = World()
    world.write(b"pipe", look(size_bytes=0, odd=True))
    world.see(b"pipe", Hint.CREATED)
    assert world.wait(SETTLE_S) == [b"pipe"]


def test_a_file_on_a_slow_mount_keeps_its_longer_window_when_it_changes() -> None:
    world = World()
    world.write(b"a", look(1))
    world.see(b"a", slow_s=10.0)
    world.write(b"a", look(2))
    assert world.wait(10.0) == []
    assert world.wait(SETTLE_S) == []
    assert world.wait(10.0 - SETTLE_S) == [b"a"]


def test_what_vanishes_or_is_dropped_is_not_emitted() -> None:
    world = World()
    for path in (b"vanishes", b"is dropped"):
        world.write(path, look())
        world.see(path)
    del world.files[b"vanishes"]
    world.settling.drop(b"is dropped")
    assert world.wait(SETTLE_S) == []
    assert len(world.settling) == 0


def test_a_file_that_is_written_to_for_an_hour_costs_one_place_in_the_queue() -> None:
    world = World()
    for version in range(36_000):
        world.write(b"a", look(version + 1))
        world.see(b"a", Hint.COMPLETE)
        assert world.wait(0.1) == []
    assert len(world.settling._heap) <= 2


def test_at_most_the_limit_is_looked_at_and_the_rest_comes_next() -> None:
    world = World()
    for number in range(25):
        world.write(b"%d" % number, look())
        world.see(b"%d" % number)
    world.clock.advance(SETTLE_S)
    now = world.clock.monotonic()
    counts = [len(world.settling.settled(now, world.files.get, limit=10)) for _ in range(4)]
    assert counts == [10, 10, 5, 0]


PATHS = (b"a", b"b", b"c")
STEP = st.one_of(
    st.tuples(st.just("wait"), st.floats(0.0, 5.0)),
    st.tuples(st.just("write"), st.sampled_from(PATHS), st.booleans()),
    st.tuples(st.just("silent"), st.sampled_from(PATHS), st.booleans()),
    st.tuples(st.just("hint"), st.sampled_from(PATHS), st.sampled_from(list(Hint))),
    st.tuples(st.just("vanish"), st.sampled_from(PATHS)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEP, max_size=40))
def test_no_file_is_emitted_within_its_window_and_every_quiet_file_is_emitted(
    steps: list[tuple[object, ...]],
) -> None:
    """`write` is announced, `silent` is not; neither ever repeats a fingerprint."""
    world = World()
    for version, step in enumerate(steps, start=1):
        kind, *rest = step
        if kind == "wait":
            for path in world.wait(rest[0]):
                assert world.clock.monotonic() - world.changed_at[path] >= SETTLE_S
            continue
        path = rest[0]
        if kind in ("write", "silent"):
            world.write(path, look(version, size_bytes=version * rest[1]))
        if kind == "vanish":
            world.files.pop(path, None)
        elif path in world.files and kind != "silent":
            world.see(path, rest[1] if kind == "hint" else Hint.COMPLETE)

    for path in world.files:
        world.see(path)  # a scan finds whatever is there
    for _ in range(3):
        world.wait(SETTLE_S * EMPTY_FACTOR)
    assert len(world.settling) == 0
    assert {path: dict(world.emitted)[path] for path in world.files} == world.files
