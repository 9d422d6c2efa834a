"""Words into cells: what fits, what is cut, and where. A wide character takes two cells.

A line is a tuple of words with their styles; nobody here knows of terminals.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from upscaled.text import escape

Span = tuple[str, str]
"""Text without control characters, and the name of a style (`""`: none)."""
Line = tuple[Span, ...]

ELLIPSIS = "…"
_GAP = 2


def line(*words: str | Span) -> Line:
    return tuple((word, "") if isinstance(word, str) else word for word in words)


def cells(words: Line) -> int:
    return sum(cell_len(text) for text, _ in words)


def clip(text: str, most: int) -> str:
    """At most so many cells: a name is cut in the middle, where it says least."""
    text = escape(text)
    if cell_len(text) <= most:
        return text
    if most <= len(ELLIPSIS):
        return ELLIPSIS[:most]
    end = _last_cells(text, (most - 1) // 2)
    start = set_cell_size(text, most - 1 - cell_len(end)).rstrip()
    return start + ELLIPSIS + end


def clip_end(text: str, most: int) -> str:
    """At most so many cells: a sentence is cut at its end."""
    text = escape(text)
    if cell_len(text) <= most:
        return text
    return set_cell_size(text, max(most - 1, 0)).rstrip() + ELLIPSIS[:most]


def _last_cells(text: str, most: int) -> str:
    taken = 0
    for index in range(len(text) - 1, -1, -1):
        taken += cell_len(text[index])
        if taken > most:
            return text[index + 1 :]
    return text


def crop(words: Line, width: int) -> Line:
    """What was laid out for a wider screen."""
    if cells(words) <= width:
        return words
    kept: list[Span] = []
    left = width
    for text, style in words:
        shown = text if cell_len(text) < left else set_cell_size(text, left - 1) + ELLIPSIS
        kept.append((shown, style))
        left -= cell_len(shown)
        if left <= 0:
            break
    return tuple(kept)


def pad(text: str, width: int, *, right: bool = False) -> str:
    """To this many cells, at the left or at the right edge of them."""
    blank = " " * max(width - cell_len(text), 0)
    return blank + text if right else text + blank


def wrap(text: str, width: int, most_lines: int | None = None) -> list[str]:
    """A sentence over several lines; what does not fit in `most_lines` is cut at its end."""
    lines: list[str] = [""]
    for word in _pieces(escape(text).split(" "), width):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(word)
    if most_lines is not None and len(lines) > most_lines:
        rest = " ".join(lines[most_lines - 1 :])
        lines[most_lines - 1 :] = [clip_end(rest, width)]
    return lines


def _pieces(words: Iterable[str], width: int) -> Iterable[str]:
    """No longer than a line: a path without spaces is cut where the line ends."""
    for word in words:
        rest = word
        while cell_len(rest) > width:
            taken, count = 0, 0
            while taken + cell_len(rest[count]) <= width:
                taken += cell_len(rest[count])
                count += 1
            count = max(count, 1)
            yield rest[:count]
            rest = rest[count:]
        yield rest


def indented(first: Sequence[Span], text: str, style: str, width: int, most: int) -> list[Line]:
    """A mark and a sentence, whose further lines begin under its first word."""
    margin = cells(tuple(first))
    wrapped = wrap(text, width - margin, most)
    blank = (" " * margin, "")
    return [(*first, (wrapped[0], style)), *((blank, (row, style)) for row in wrapped[1:])]


class Column(NamedTuple):
    title: str
    right: bool = False
    flexible: bool = False
    """Takes what the others leave; its words are cut in the middle."""
    optional: int = 0
    """Left out on a narrow screen, the highest first; 0: never."""


def table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Span]],
    width: int,
    *,
    least: int = 12,
) -> list[Line]:
    """A head and a line for each row; `least`: cells that a flexible column should have."""
    kept = list(range(len(columns)))
    widths = [_width(columns[i], [row[i][0] for row in rows]) for i in kept]

    def flexible_cells() -> int:
        fixed = sum(widths[i] for i in kept if not columns[i].flexible)
        return width - fixed - _GAP * (len(kept) - 1)

    while flexible_cells() < least and any(columns[i].optional for i in kept):
        kept.remove(max(kept, key=lambda i: columns[i].optional))
    flexible = [i for i in kept if columns[i].flexible]
    left = flexible_cells()
    # The least first: what one does not need, the others have.
    for place, i in enumerate(sorted(flexible, key=widths.__getitem__)):
        widths[i] = min(widths[i], max(left // (len(flexible) - place), 4))
        left -= widths[i]
    head = tuple((columns[i].title, "dim") for i in range(len(columns)))
    return [_row(row, columns, kept, widths) for row in (head, *rows)]


def _width(column: Column, words: Sequence[str]) -> int:
    return max(cell_len(column.title), *(cell_len(escape(word)) for word in words), 0)


def _row(
    row: Sequence[Span], columns: Sequence[Column], kept: Sequence[int], widths: Sequence[int]
) -> Line:
    spans: list[Span] = []
    for i in kept:
        text, style = row[i]
        last = i == kept[-1] and not columns[i].right
        shown = clip(text, widths[i])
        shown = shown if last else pad(shown, widths[i], right=columns[i].right)
        spans += [(shown, style), (" " * _GAP, "")]
    return tuple(spans[:-1])


class TextBlock(NamedTuple):
    """Groups of lines that stay together, of which some may give way to others."""

    groups: Sequence[Sequence[Line]]
    hidden: int = 0
    """Groups that are not even here."""
    more: str = ""
    """What tells of hidden groups, with `{}` for their number; "": nothing does."""
    head: Sequence[Line] = ()
    foot: Sequence[Line] = ()

    def shown(self, number: int) -> list[Line]:
        if not self.groups:
            return []
        hidden = len(self.groups) - number + self.hidden
        lines = [*self.head, *(row for group in self.groups[:number] for row in group)]
        if hidden and self.more:
            lines.append(line((self.more.format(hidden), "dim")))
        return [*lines, *self.foot]


def fit(
    blocks: Sequence[TextBlock], giving_way: Sequence[tuple[int, int]], most: int | None
) -> list[Line]:
    """All blocks in at most `most` lines, if that can be.

    `giving_way`: which block loses groups first, and down to how many of them.
    """
    numbers = [len(block.groups) for block in blocks]

    def lines() -> list[Line]:
        return [
            row
            for block, number in zip(blocks, numbers, strict=True)
            for row in block.shown(number)
        ]

    for index, least in giving_way:
        while most is not None and len(lines()) > most and numbers[index] > least:
            numbers[index] -= 1
    return lines()
