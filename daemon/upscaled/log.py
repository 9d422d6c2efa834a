"""Where log lines go and how they look: a terminal, a file or pipe, or systemd's journal.

The journal gets fields (`journalctl --user UPSCALED_RULE=photos`) when the `systemd` extra is
installed, else the `<N>` level prefixes of sd-daemon(3). It stamps the time itself.
"""

import logging
import os
import sys
from collections.abc import Mapping
from enum import Enum, StrEnum
from pathlib import Path
from typing import TextIO

from upscaled.text import NO_UTF8, escape

__all__ = ["NO_UTF8", "Event", "escape", "fields", "set_up"]

NAME = "upscaled"

SYSLOG_LEVELS = [
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
    (logging.NOTSET, 7),
]


class Event(StrEnum):
    """MESSAGE_ID of each kind of event; made by `systemd-id128 new`, never changed."""

    STARTED = "f5aedaa3bf5746bab24d0906892f2cf5"
    STOPPED = "21b49127ccb2446f97eba0ff0162cf1c"
    RELOADED = "ab1a793b57274d38905585df14f122f3"
    RELOAD_REFUSED = "146098f9753e45589efc4e097dc715d2"
    JOB_DONE = "c17977bd7cbf4ee29168a7722e779fa2"
    JOB_FAILED = "fac3316e249747f2bee77bc639f8acd3"
    JOB_RETRIED = "8244f4e6b4b24cc0a37a8aa8ab9f8a88"
    RULE_PAUSED = "934aced32ad2499ab3588cae90363d5a"
    RULE_RESUMED = "d5307c347bdc4d9c97e801dd462a09db"
    WORKER_DIED = "55cd10aab1274f29aee8bc4f2a7739d1"


class Destination(Enum):
    TERMINAL = "terminal"
    FILE = "file"
    JOURNAL = "journal"


def fields(
    event: Event | None = None,
    *,
    rule: str | None = None,
    job: int | None = None,
    file: Path | None = None,
) -> dict[str, str]:
    """For `extra=` of a logging call: what one can ask the journal for."""
    asked = {
        "MESSAGE_ID": event and event.value,
        "UPSCALED_RULE": rule,
        "UPSCALED_JOB": None if job is None else str(job),
        "UPSCALED_FILE": None if file is None else str(file),
    }
    return {name: value for name, value in asked.items() if value is not None}


def find_destination(stream: TextIO | None, environ: Mapping[str, str]) -> Destination:
    """`JOURNAL_STREAM` is inherited by children whose output goes elsewhere, so it is compared."""
    try:
        status = os.fstat(stream.fileno()) if stream else None
    except (OSError, ValueError):  # closed, or not a real file
        status = None
    if status is None or stream is None:
        return Destination.FILE
    if environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}":
        return Destination.JOURNAL
    return Destination.TERMINAL if stream.isatty() else Destination.FILE


class LineFormatter(logging.Formatter):
    """One line for a record; a traceback follows on lines of its own."""

    def __init__(self, destination: Destination) -> None:
        clock = "%H:%M:%S" if destination is Destination.TERMINAL else "%Y-%m-%dT%H:%M:%S%z"
        super().__init__(datefmt=clock)
        self._destination = destination

    def format(self, record: logging.LogRecord) -> str:
        lines = _lines(record)
        if record.levelno >= logging.WARNING and self._destination is not Destination.JOURNAL:
            lines[0] = f"{record.levelname.lower()}: {lines[0]}"
        if self._destination is Destination.JOURNAL:
            # Each line is a message of its own to the journal, and needs its own level.
            return "\n".join(f"<{syslog_level(record.levelno)}>{line}" for line in lines)
        return f"{self.formatTime(record, self.datefmt)} " + "\n".join(lines)


def _lines(record: logging.LogRecord) -> list[str]:
    """The message as one line, then those of the traceback."""
    trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
    return [escape(record.getMessage()), *map(escape, trace.splitlines())]


def syslog_level(level: int) -> int:
    return next(number for least, number in SYSLOG_LEVELS if level >= least)


def set_up(level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send the lines of `upscaled`, and the warnings of everything else, to `stream` (stderr).

    May be called again: the last call holds.
    """
    stream = stream or sys.stderr
    destination = find_destination(stream, os.environ)
    handler = _journal_handler() if destination is Destination.JOURNAL else None
    if handler is None:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(LineFormatter(destination))
    handler.set_name(NAME)
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if handler.get_name() == NAME]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(NAME).setLevel(level)
    logging.captureWarnings(capture=True)


def _journal_handler() -> logging.Handler | None:
    try:
        from systemd.journal import JournalHandler  # noqa: PLC0415  the extra may be missing
    except ImportError:
        return None
    return _ToJournal(JournalHandler(SYSLOG_IDENTIFIER=NAME))


class _ToJournal(logging.Handler):
    """Gives systemd-python what it can encode: it fails on names that are no UTF-8."""

    def __init__(self, inner: logging.Handler) -> None:
        super().__init__()
        self._inner = inner

    def emit(self, record: logging.LogRecord) -> None:
        copy = logging.makeLogRecord(vars(record))
        copy.msg, copy.args, copy.exc_info = "\n".join(_lines(record)), None, None
        for name, value in vars(record).items():
            if name.startswith("UPSCALED_"):
                # The file's exact bytes, so that `journalctl UPSCALED_FILE=` finds them.
                setattr(copy, name, os.fsencode(value))
        self._inner.emit(copy)
