"""As `twin`, and a disk counts as dead after a second: nobody waits for half a minute in a test."""

import runpy
from pathlib import Path

from upscaled.config import load
from upscaled.service import disposer, recovery, seat, sources
from upscaled.watch import inbox

runpy.run_path(str(Path(__file__).parents[1] / "twin" / "sitecustomize.py"))
disposer.SLOW_S = inbox._SILENT_S = 1.0
load._ANSWER_S = recovery.ANSWER_S = 0.5
sources._AGAIN_S = 2.0
seat.HELD_S = 2.0
