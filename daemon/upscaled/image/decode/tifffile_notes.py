"""What tifffile says of a damaged file: a line for each of thousands of tags, made one note."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LONGEST = 120


class _Remarks(logging.Handler):
    """Keeps the first line, and the number, of those of its thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._own = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        lines: list[str] | None = getattr(self._own, "lines", None)
        if lines is not None:
            lines.append("" if lines else record.getMessage())

    @contextmanager
    def listening(self) -> Iterator[list[str]]:
        lines: list[str] = []
        self._own.lines = lines
        try:
            yield lines
        finally:
            self._own.lines = None


_remarks = _Remarks()
_logger = logging.getLogger("tifffile")
_logger.addHandler(_remarks)
_logger.propagate = False


@contextmanager
def remarks() -> Iterator[list[str]]:
    """In the end the list has one note on what was said in this thread, or none."""
    notes: list[str] = []
    with _remarks.listening() as lines:
        yield notes
    if lines:
        more = f" (and {len(lines) - 1:,} remarks more)" if len(lines) > 1 else ""
        first = lines[0].splitlines()[0] if lines[0] else ""
        notes.append(f"parts of the TIFF are damaged: {first[:_LONGEST]}{more}")
