"""Many events become few looks."""

from upscaled.watch import fs
from upscaled.watch.hint_queue import Hints
from upscaled.watch.settle import Hint


def after(*events: tuple[int, bytes]) -> Hint | None:
    hints = Hints()
    for mask, name in events:
        hints.take((b"sub",), mask, name)
    return hints.entries.get((b"sub", b"a.png"))


def test_a_file_that_is_written_and_closed_is_complete() -> None:
    events = [(fs.CREATED, b"a.png"), (fs.CHANGED, b"a.png"), (fs.CLOSED, b"a.png")]
    assert after(*events) is Hint.COMPLETE
    assert after(*events, (fs.CHANGED, b"a.png")) is Hint.COMPLETE


def test_a_file_that_is_made_anew_after_it_was_closed_is_not_complete() -> None:
    events = [(fs.CLOSED, b"a.png"), (fs.LEFT, b"a.png"), (fs.CREATED, b"a.png")]
    assert after(*events) is Hint.CREATED


def test_a_file_that_is_moved_in_is_complete_and_one_that_left_is_looked_for() -> None:
    assert after((fs.MOVED_IN, b"a.png")) is Hint.COMPLETE
    assert after((fs.LEFT, b"a.png")) is Hint.FOUND


def test_an_overflow_says_that_something_was_lost_wherever() -> None:
    hints = Hints()
    hints.take((), fs.OVERFLOW, b"")
    assert hints.lost


def test_what_happens_to_the_root_itself_puts_it_in_doubt() -> None:
    hints = Hints()
    hints.take((b"",), fs.SELF, b"")
    assert hints.root_in_doubt
    assert not hints.folders


def test_a_watch_that_ended_below_the_root_has_its_folder_listed_anew() -> None:
    hints = Hints()
    hints.take((b"sub",), fs.ENDED, b"")
    assert hints.folders == {b"sub"}
    assert not hints.root_in_doubt


def test_an_event_of_a_folder_seen_by_two_ways_is_looked_at_by_both() -> None:
    hints = Hints()
    hints.take((b"one", b"two"), fs.CLOSED, b"a.png")
    assert set(hints.entries) == {(b"one", b"a.png"), (b"two", b"a.png")}


def test_an_event_of_a_watch_that_is_gone_is_nothing() -> None:
    hints = Hints()
    hints.take((), fs.CLOSED, b"a.png")
    assert hints == Hints()


def test_folders_below_another_one_are_listed_with_it() -> None:
    hints = Hints(folders={b"a/b", b"a", b"a-b", b"a/b/c", b"b/c", b"bc"})
    assert hints.topmost_folders() == [b"a", b"a-b", b"b/c", b"bc"]
