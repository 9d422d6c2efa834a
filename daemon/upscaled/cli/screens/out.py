"""Lines to the terminal: its width, its colours, and what its character set can show."""

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # rich's tables of widths stand behind it, and `--json` needs none.
    from upscaled.cli.screens.layout import Line

_LEAST, _MOST = 40, 132
"""Columns: on fewer nothing can be laid out, and more are hard to read."""

_ASCII = str.maketrans("━─▶▷…→·✗✓×", "#->>~>|x+x")
_STYLES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
"""Of ECMA-48, "Select graphic rendition"; click would take longer to load than all else."""


def width() -> int:
    """Columns of the screen: `$COLUMNS`, the terminal's, or 80."""
    return min(max(_terminal()[0], _LEAST), _MOST)


def height() -> int:
    return max(_terminal()[1], 5)


def _terminal() -> tuple[int, int]:
    """As `shutil.get_terminal_size`, which takes 5 ms to load with all its archives."""
    try:
        found = tuple(os.get_terminal_size(sys.stdout.fileno()))
    except (OSError, ValueError, AttributeError):
        found = 80, 24
    asked = os.environ.get("COLUMNS", "")
    columns = int(asked) if asked.isdecimal() and int(asked) else found[0]
    return columns or 80, found[1] or 24


def render(lines: Sequence["Line"]) -> list[str]:
    """As text for stdout as it is."""
    coloured = _has_colours()
    plain = not _shows_more_than_ascii()
    rendered = []
    for row in lines:
        spans = [(t.translate(_ASCII) if plain else t, style) for t, style in row]
        text = "".join(_styled(t, style) if coloured else t for t, style in spans)
        rendered.append(text.rstrip())
    return rendered


def write(lines: Sequence["Line"]) -> None:
    say("\n".join(render(lines)))


def say(text: str) -> None:
    """As `click.echo`: at once, and nothing where stdout was closed before the start."""
    if sys.stdout is not None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def _styled(text: str, style: str) -> str:
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if style else text


def _has_colours() -> bool:
    # https://no-color.org: whatever its value is.
    if os.environ.get("NO_COLOR"):
        return False
    return is_terminal() and os.environ.get("TERM") != "dumb"


def is_terminal() -> bool:
    with contextlib.suppress(ValueError, AttributeError):  # closed, or none at all
        return sys.stdout.isatty()
    return False


def _shows_more_than_ascii() -> bool:
    try:
        "━…→·✗✓×▶".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
