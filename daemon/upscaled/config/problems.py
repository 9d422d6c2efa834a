"""What is wrong with a configuration, each with its place, all of them at once."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from upscaled.errors import ConfigError

Severity = Literal["error", "notice"]
_WORD_CHARS = 60
_SHOWN_CHARS = 160
"""A longer source line is cut around its caret."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """`line` and `column` count from 1; 0 where a file as a whole is meant."""

    message: str
    file: str
    line: int = 0
    column: int = 0
    source: str = ""
    """The line of the file, for the caret."""
    hint: str | None = None
    severity: Severity = "error"

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def line_form(self) -> str:
        """`file:line:column: severity: message (hint)`, always one line."""
        tail = f" ({self.hint})" if self.hint else ""
        text = f"{self.place}: {self.severity}: {self.message}{tail}"
        return "".join(_printable(char) for char in text)

    def __str__(self) -> str:
        if not self.line or not self.source.strip():
            return self.line_form()
        return "\n".join([self.line_form(), *_caret(self.source, self.column)])


class ConfigProblems(ConfigError):
    """The configuration has errors."""

    def __init__(self, problems: Iterable[ConfigProblem], watched: Sequence[Path] = ()) -> None:
        """`watched`: where a change may mend it."""
        self.problems = tuple(problems)
        self.watched = tuple(watched)
        super().__init__(
            "\n".join(str(problem) for problem in self.problems),
            hint="mend the lines above, then try: upscaled config check",
        )


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A hint with the known word closest to `word`, if one is close."""
    from difflib import get_close_matches  # noqa: PLC0415  10 ms, for a configuration with slips

    candidates = list(dict.fromkeys(known))
    lowered = {candidate.lower(): candidate for candidate in candidates}
    close = get_close_matches(word.lower(), list(lowered), n=1, cutoff=0.6)
    return f"did you mean '{lowered[close[0]]}'?" if close else None


def quoted(value: object) -> str:
    """A value of the configuration as a message shows it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case str():
            return f"'{shortened(value)}'"
    return shortened(str(value))


def shortened(text: str) -> str:
    return text if len(text) <= _WORD_CHARS else text[: _WORD_CHARS - 1] + "…"


def in_order(problems: Iterable[ConfigProblem]) -> tuple[ConfigProblem, ...]:
    """Without repeats, by file in order of first mention, then by place."""
    unique = list(dict.fromkeys(problems))
    files = {name: index for index, name in enumerate(dict.fromkeys(p.file for p in unique))}
    return tuple(sorted(unique, key=lambda p: (files[p.file], p.line, p.column)))


def github_annotation(problem: ConfigProblem) -> str:
    """The workflow command by which GitHub Actions puts the message beside the line."""
    level = "error" if problem.severity == "error" else "warning"
    tail = f" ({problem.hint})" if problem.hint else ""
    place = f"file={_escaped(problem.file, property_too=True)}"
    if problem.line:
        place += f",line={problem.line},col={problem.column}"
    return f"::{level} {place}::{_escaped(problem.message + tail)}"


def _escaped(text: str, *, property_too: bool = False) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if property_too else text


def _caret(source: str, column: int) -> list[str]:
    start = max(0, column - _SHOWN_CHARS // 2) if len(source) > _SHOWN_CHARS else 0
    shown = source[start : start + _SHOWN_CHARS]
    # Tabs stay tabs and wide characters take two columns, or the caret points elsewhere.
    before = "".join(
        "\t" if char == "\t" else " " * _columns(char) for char in shown[: column - 1 - start]
    )
    visible = "".join("\t" if char == "\t" else _printable(char) for char in shown)
    return [f"    {visible.rstrip()}", f"    {before}^"]


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else len(_printable(char))


def _printable(char: str) -> str:
    # Escape sequences and lone surrogates of a hostile file must not reach the terminal.
    return char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
