"""A stream of frames through a stage and into a file that nobody sees yet."""

import mmap
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

from upscaled.errors import StopRequested
from upscaled.image.decode.frames import Frame, Frames
from upscaled.image.picture import Picture
from upscaled.output import durable
from upscaled.pipeline.protocols import Progress, Stage

_UNITS = 1_000
"""Of progress, for each pixel's worth: stages count in units of their own."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A finished file, in memory or mapped from the disk."""

    content: durable.Bytes
    notes: tuple[str, ...]


def through(
    stream: Iterable[Frame],
    frames: Frames,
    stage: Stage,
    *,
    progress: Progress,
    cancelled: Callable[[], bool],
) -> Iterator[Frame]:
    """Each of the `frames`, as `stream` gives them, as the stage makes it.

    One that repeats the last is not made again.

    Raises:
        Interrupted: `cancelled`, asked between two frames too.
    """
    weights = [width * height for width, height in frames.sizes_px]
    total, done = sum(weights) * _UNITS, 0
    last: Picture | None = None
    for frame, weight in zip(stream, weights, strict=True):
        if cancelled():
            raise StopRequested
        if not frame.repeats or last is None:
            told = _share(progress, done, weight * _UNITS, total)
            last = stage(frame.picture, progress=told, cancelled=cancelled)
        done += weight * _UNITS
        progress(done, total)
        yield replace(frame, picture=last)


def _share(progress: Progress, before: int, own: int, total: int) -> Progress:
    def told(done: int, all_of_it: int) -> None:
        if done < all_of_it:  # the end is told once, by the stream
            progress(before + own * done // max(all_of_it, 1), total)

    return told


def spooled(folder: Path, write: Callable[[BinaryIO], tuple[str, ...]]) -> Encoded:
    """What `write` writes, in a file without a name beside the result-to-be.

    It takes no memory that the system cannot take back, and a killed worker leaves nothing.

    Raises:
        OSError: the disk is full, or the folder cannot be written to.
    """
    durable.make_folder(folder)
    with tempfile.TemporaryFile(dir=folder, prefix=".", suffix=durable.TEMPORARY_SUFFIX) as file:
        notes = write(cast("BinaryIO", file))
        file.flush()
        return Encoded(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)), notes)
