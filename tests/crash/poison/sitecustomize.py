"""As `twin`, and the decoder dies of files that end in the name of a death."""

import ctypes
import os
import runpy
import signal
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

runpy.run_path(str(Path(__file__).parents[1] / "twin" / "sitecustomize.py"))

_TARGET = "upscaled.pipeline.run"


def _die_of(content: bytes) -> None:
    if content.endswith(b"segfault"):
        ctypes.string_at(0)
    if content.endswith(b"oom"):
        # As the kernel's OOM killer does it.
        os.kill(os.getpid(), signal.SIGKILL)
    while content.endswith(b"endless loop"):
        pass


class _Poisoner(MetaPathFinder):
    def find_spec(self, name: str, path: object, _target: object = None) -> ModuleSpec | None:
        if name != _TARGET:
            return None
        spec = PathFinder.find_spec(name, path)
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            open_frames = module.open_frames

            def poisoned(content: bytes, *limits: object) -> object:
                _die_of(content)
                return open_frames(content, *limits)

            module.open_frames = poisoned

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, _Poisoner())
