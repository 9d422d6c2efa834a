"""As `twin`, and a disk counts as dead after a second: nobody waits for half a minute in a test."""

import runpy
from pathlib import Path

from upscaled.config import load
from upscaled.service.queue import crash_recovery
from upscaled.service.sources import cleanup_lanes, cleanup_queue
from upscaled.service.workers import slot
from upscaled.watch import inbox

runpy.run_path(str(Path(__file__).parents[1] / "twin" / "sitecustomize.py"))
cleanup_lanes.SLOW_S = inbox._SILENT_S = 1.0
load._ANSWER_S = crash_recovery.ANSWER_S = 0.5
cleanup_queue._AGAIN_S = 2.0
slot.HELD_S = 2.0
