"""The seam for whoever minds what decoding costs."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from upscaled.image.decode.decode import Expect, expect_any
from upscaled.image.decode.frames import Frame, Frames
from upscaled.job import Order


class DecodeLimits(Protocol):
    """Minds time and memory inside of its context; what it does about them is its own affair."""

    def over(self, order: Order, size_bytes: int) -> AbstractContextManager[Expect]:
        """While bytes of this job are decoded; what it gives is told of each frame to come."""
        ...


class NoDecodeLimits:
    """For tests, and whoever minds it from outside."""

    def over(
        self,
        order: Order,  # noqa: ARG002 (the seam)
        size_bytes: int,  # noqa: ARG002 (the seam)
    ) -> AbstractContextManager[Expect]:
        return nullcontext(expect_any)


def limited(frames: Frames, order: Order, guard: DecodeLimits) -> Iterator[Frame]:
    """The frames, minded while they are decoded and not while they are worked on."""
    stream = iter(frames)
    for width_px, height_px in frames.sizes_px:
        with guard.over(order, len(frames.content)) as expect:
            expect(width_px * height_px)
            frame = next(stream, None)
        if frame is None:
            return
        yield frame
