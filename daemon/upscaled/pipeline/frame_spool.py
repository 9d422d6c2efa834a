"""Frames that a stage before the last one gave, kept on the disk until their file is written."""

import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from upscaled.image.decode.frames import Frame
from upscaled.image.picture import Picture
from upscaled.output import durable


@dataclass(slots=True, weakref_slot=True)
class FrameSpool:
    """In a file without a name: a killed worker leaves nothing of it."""

    folder: Path
    """It has to be there, on the disk where results go."""
    first: Picture | None = None
    _file: BinaryIO = field(init=False)
    _kept: list["_Kept"] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Raises: OSError: the folder takes no file."""
        made = tempfile.TemporaryFile(  # noqa: SIM115  (closed with its reel)
            dir=self.folder, prefix=".", suffix=durable.TEMPORARY_SUFFIX
        )
        self._file = cast("BinaryIO", made)
        weakref.finalize(self, made.close)

    def add(self, picture: Picture, *, repeats: bool) -> None:
        """`repeats`: the same as the one before it, which is kept once.

        Raises:
            OSError: the disk is full.
        """
        self.first = self.first or picture
        if repeats and self._kept:
            self._kept.append(replace(self._kept[-1], repeats=True))
            return
        nothing = np.empty((0, 0, 3), picture.colour.dtype)
        at = self._file.seek(0, 2)
        for plane in filter(_is_there, (picture.colour, picture.alpha)):
            self._file.write(np.ascontiguousarray(plane).data)
        shape = (picture.height_px, picture.width_px)
        bare = replace(picture, colour=nothing, alpha=None)
        self._kept.append(_Kept(at, shape, bare, picture.alpha is not None))

    @property
    def size_bytes(self) -> int:
        """Of all samples that are kept."""
        return self._file.seek(0, 2)

    def frames(self) -> Iterator[Frame]:
        """As they came; pages differ in more than their pixels."""
        for kept in self._kept:
            self._file.seek(kept.at)
            dtype = kept.bare.colour.dtype
            colour = self._read((*kept.shape, 3), dtype)
            alpha = self._read(kept.shape, dtype) if kept.has_alpha else None
            picture = replace(kept.bare, colour=colour, alpha=alpha)
            yield Frame(picture, repeats=kept.repeats)

    def _read(self, shape: tuple[int, ...], dtype: Any) -> Any:
        size_bytes = int(np.prod(shape)) * dtype.itemsize
        return np.frombuffer(self._file.read(size_bytes), dtype).reshape(shape)


@dataclass(frozen=True, slots=True)
class _Kept:
    at: int
    shape: tuple[int, int]
    bare: Picture
    """Without pixels."""
    has_alpha: bool
    repeats: bool = False


def _is_there(plane: Any) -> bool:
    return plane is not None


def reeled(
    stream: Iterable[Frame], pictures: Mapping[str, Picture], reels: Mapping[str, FrameSpool]
) -> Iterator[Frame]:
    """`stream` as it is; what its stages gave meanwhile (`pictures`) goes onto their reels."""
    for frame in stream:
        for name, reel in reels.items():
            reel.add(pictures[name], repeats=frame.repeats)
        yield frame
