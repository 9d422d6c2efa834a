"""`upscaled status --watch`: the screen again and again, in place where there is a terminal."""

import json
import signal
import time
from collections.abc import Callable
from typing import Any, NoReturn

import click

from upscaled.cli.screens import out
from upscaled.cli.screens.status_screen import status_lines

_EVERY_S = 1.0
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_HOME, _END_OF_LINE, _BELOW = "\x1b[{}F", "\x1b[K", "\x1b[J"


def watch_status(
    look: Callable[[], dict[str, Any]], *, as_json: bool, everything: bool
) -> NoReturn:
    """Until Ctrl-C, which comes out as KeyboardInterrupt.

    A pipe gets each screen after an empty line, or (`as_json`) one object a line.
    """
    # `timeout` and a closed terminal end it as Ctrl-C does: the cursor comes back.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    in_place = out.is_terminal() and not as_json
    if in_place:
        click.echo(_HIDE, nl=False)
    drawn = 0
    try:
        while True:
            report = look()
            if as_json:
                click.echo(json.dumps(report))
            else:
                lines = status_lines(report, out.width(), time.time(), everything=everything)
                drawn = _draw(out.render(lines), drawn) if in_place else _append(lines)
            time.sleep(_EVERY_S)
    finally:
        if in_place:
            click.echo(_SHOW, nl=False)


def _append(lines: Any) -> int:
    out.write([*lines, ()])
    return 0


def _draw(rows: list[str], drawn: int) -> int:
    """Over the last screen; how many lines it has now."""
    # The last line of the terminal stays free, or it would scroll.
    rows = rows[: out.height() - 1]
    back = _HOME.format(drawn) if drawn else ""
    text = back + "".join(f"{row}{_END_OF_LINE}\n" for row in rows) + _BELOW
    click.echo(text, nl=False, color=True)
    return len(rows)
