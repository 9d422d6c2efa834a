"""What a check found, and what to type where it is not as it should be."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from upscaled.errors import ExitCode


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    """It works, and something will bite one day, or is slower than it could be."""
    FAIL = "fail"
    """Images are not upscaled, or not as they were asked for."""


@dataclass(frozen=True, slots=True)
class Finding:
    topic: str
    level: Level
    what: str
    remedy: str | None = None
    """A command to type, or the thing to change."""


def ok(topic: str, what: str, remedy: str | None = None) -> Finding:
    return Finding(topic, Level.OK, what, remedy)


def warn(topic: str, what: str, remedy: str | None) -> Finding:
    return Finding(topic, Level.WARN, what, remedy)


def fail(topic: str, what: str, remedy: str | None) -> Finding:
    return Finding(topic, Level.FAIL, what, remedy)


def exit_code(findings: Iterable[Finding]) -> ExitCode:
    """Of the worst."""
    levels = {finding.level for finding in findings}
    if Level.FAIL in levels:
        return ExitCode.ERROR
    return ExitCode.DEGRADED if Level.WARN in levels else ExitCode.OK
