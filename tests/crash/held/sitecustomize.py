"""As `twin`; and a worker stops at a point of a job that a test names, until it is killed.

`$HOLD/NAME.wanted` is the wish. It becomes `NAME.held` once the worker is there, and holds once.
"""

import os
import runpy
import sys
import threading
from pathlib import Path
from typing import Any

runpy.run_path(str(Path(__file__).parents[1] / "twin" / "sitecustomize.py"))


def _hold(point: str) -> None:
    wanted = Path(os.environ["HOLD"], f"{point}.wanted")
    try:
        wanted.rename(wanted.with_suffix(".held"))
    except FileNotFoundError:
        return
    threading.Event().wait()


def _put_in() -> None:
    from upscaled.output import durable  # noqa: PLC0415 (numpy: not for the supervisor)
    from upscaled.pipeline.stages import workflow  # noqa: PLC0415

    worked, placed = workflow._named, durable.place

    def named(stage: Any, *rest: Any) -> Any:
        given = worked(stage, *rest)
        _hold(stage.name)
        return given

    def place(temporary: Path, target: Path, *, replace: bool) -> None:
        where = f"{target.parent.name}{target.suffix}"
        _hold(f"before {where}")
        placed(temporary, target, replace=replace)
        _hold(f"after {where}")

    workflow._named, durable.place = named, place


if "upscaled.worker" in sys.orig_argv:
    _put_in()
