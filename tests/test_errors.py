"""The tree drawn in `errors.py` is the tree there is."""

import re
from collections.abc import Iterator

import pytest

from upscaled import errors
from upscaled.errors import UpscaledError

Row = tuple[int, str, int]


def walk(kind: type[UpscaledError], depth: int = 0) -> Iterator[tuple[int, type[UpscaledError]]]:
    yield depth, kind
    for inner in kind.__subclasses__():
        if inner.__module__ == errors.__name__:
            yield from walk(inner, depth + 1)


ALL = [kind for _, kind in walk(UpscaledError)]


def test_the_drawing_shows_every_class_with_its_parent_and_exit_code() -> None:
    drawn = re.findall(r"^    ([│├└─ ]*)(\w+) +(\d+)", errors.__doc__ or "", re.MULTILINE)
    there = [(depth, kind.__name__, int(kind.exit_code)) for depth, kind in walk(UpscaledError)]
    assert [(len(lines) // 3, name, int(code)) for lines, name, code in drawn] == there


@pytest.mark.parametrize("kind", ALL)
def test_the_docstring_is_a_sentence_and_the_default_message(kind: type[UpscaledError]) -> None:
    # Its own docstring: an inherited one is not in the class's dictionary.
    assert re.fullmatch(r"[A-Z].*\.", vars(kind).get("__doc__") or "")
    assert kind().message == kind.__doc__


@pytest.mark.parametrize("kind", ALL)
def test_message_and_hint_are_kept(kind: type[UpscaledError]) -> None:
    error = kind("The disk is full.", hint="Free some space.")
    assert (error.message, str(error), error.hint) == (
        "The disk is full.",
        "The disk is full.",
        "Free some space.",
    )
