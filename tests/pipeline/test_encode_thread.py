"""Two threads and what lies between them: order, ends, and nothing left behind."""

import threading
from collections.abc import Iterator

import pytest

from upscaled.errors import StopRequested
from upscaled.pipeline.encode_thread import written_beside


def test_all_items_arrive_in_their_order_and_the_result_comes_back() -> None:
    assert written_beside(iter(range(200)), list) == list(range(200))


def test_the_next_is_made_while_the_last_is_written() -> None:
    """Each side waits for the other to have begun: one after the other, it would never end."""
    made, written = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield 1
        assert written.wait(30), "the first was not taken while the second was being made"
        made.set()
        yield 2

    def write(arriving: Iterator[int]) -> int:
        first = next(arriving)
        written.set()
        assert made.wait(30)
        return first + sum(arriving)

    assert written_beside(items(), write) == 3


def test_no_more_are_made_than_can_be_held() -> None:
    made = 0
    hold = threading.Event()

    def items() -> Iterator[int]:
        nonlocal made
        for number in range(20):
            made += 1
            if made == 3:  # one is being written, one waits, one is made
                hold.set()
            yield number

    def write(arriving: Iterator[int]) -> list[int]:
        seen = []
        for item in arriving:
            assert hold.wait(30)
            assert made <= len(seen) + 3
            seen.append(item)
        return seen

    assert written_beside(items(), write) == list(range(20))


def test_what_the_writer_meets_ends_the_making() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10_000):
            made.append(number)
            yield number

    def write(arriving: Iterator[int]) -> None:
        next(arriving)
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        written_beside(items(), write)
    assert len(made) < 10_000


def test_what_the_maker_meets_reaches_the_caller_and_the_writer_makes_no_result() -> None:
    results: list[list[int]] = []

    def items() -> Iterator[int]:
        yield 1
        raise StopRequested

    with pytest.raises(StopRequested):
        written_beside(items(), lambda arriving: results.append(list(arriving)))
    assert results == []


def test_a_writer_that_needs_no_more_is_enough() -> None:
    assert written_beside(iter(range(10_000)), next) == 0
