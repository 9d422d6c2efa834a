"""Calls that may run out of memory, and what is left to do then."""

import sys
from collections.abc import Callable
from typing import TypeVar

import torch

from upscaled.engine.device import Device, is_out_of_memory, lacks_kernel

Result = TypeVar("Result")


class OomRetry:
    def __init__(self, device: Device, release: Callable[[], None]) -> None:
        """`release` frees what the engine keeps for speed only."""
        self._device = device
        self._release = release
        self.smallest_failure: int | None = None
        """Elements of the smallest tile that did not fit."""

    @property
    def limit(self) -> int:
        """Elements of the largest tile worth trying."""
        return sys.maxsize if self.smallest_failure is None else self.smallest_failure // 2

    def call(self, work: Callable[[], Result], elements: int | None) -> Result | None:
        """None: out of memory, and all that could be freed was.

        `elements`: of the tile that is tried; None: it is no tile.

        The recovery stands outside the `except`: inside, the traceback still holds the tensors.
        """
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if lacks_kernel(error):
                self._record(elements)
            if not is_out_of_memory(error):
                raise
        self._record(elements)
        self._release()
        if self._device.is_cuda:
            torch.cuda.empty_cache()
        return None

    def _record(self, elements: int | None) -> None:
        if elements is not None:
            self.smallest_failure = min(elements, self.smallest_failure or elements)
