"""A process whose memory really ends: no error but those that say so, and no other picture."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upscaled.engine.device import cpu_has_bf16

CHILD = Path(__file__).parent / "lack_of_memory.py"
ROOMS_MB = ["0", "8", "48", "400"]
"""Of 48 and less every way to end was seen, from run to run; 400 are more than enough."""


@pytest.mark.parametrize("kind", ["compact", "x4"])
def test_whatever_room_there_is_the_end_is_a_right_picture_or_a_clear_error(
    kind: str, network_file: Callable[[str], Path]
) -> None:
    precision = "bf16" if cpu_has_bf16() else "fp32"
    rooms, found = list(ROOMS_MB), []
    while rooms:
        found += _of_a_child(network_file(kind), precision, *rooms)
        rooms = ROOMS_MB[len(found) :]

    ends = [each["ended"] for each in found]
    assert set(ends) <= {"done", "out of memory", "lost"}
    assert ends[0] != "done"
    assert ends[-1] == "done"


def _of_a_child(*arguments: object) -> list[dict[str, Any]]:
    child = [sys.executable, str(CHILD), *map(str, arguments)]
    told = subprocess.run(child, check=True, capture_output=True, text=True, timeout=120).stdout
    return [json.loads(line) for line in told.splitlines()]
