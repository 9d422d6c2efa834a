"""Frames to a file: which formats hold them, and how each is written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from upscaled.formats import FORMATS, STREAMED, resolve_format
from upscaled.image.decode.frames import Frame, Frames
from upscaled.image.encode.apng import write_apng
from upscaled.image.encode.avif import write_avif
from upscaled.image.encode.gif import write_gif
from upscaled.image.encode.webp import write_webp
from upscaled.image.metadata.tiff_pages import PageWriter
from upscaled.image.picture import Picture
from upscaled.recipe import OutputOptions

Encode = Callable[[Picture], tuple[bytes, tuple[str, ...]]]
"""One picture to a file of the format, and what could not be kept."""


@dataclass(frozen=True, slots=True)
class AnimationTarget:
    """What is written: the format's name, and whether it holds all frames."""

    format: str
    is_stream: bool
    notes: tuple[str, ...] = ()


def target_of(wish: str, frames: Frames) -> AnimationTarget:
    """`same` keeps an animation animated; what cannot hold all frames gets the first."""
    source = frames.first.format
    if frames.count == 1:
        return AnimationTarget(resolve_format(wish, source), is_stream=False)
    if frames.timeline is None:
        name = resolve_format(wish, source)
        return _held(name, frames, what="pages", fits=STREAMED[name].pages)
    name = "gif" if (wish, source) == ("same", "GIF") else resolve_format(wish, source)
    return _held(name, frames, what="frames", fits=STREAMED[name].moves)


def _held(name: str, frames: Frames, *, what: str, fits: bool) -> AnimationTarget:
    if fits:
        return AnimationTarget(name, is_stream=True)
    note = f"{name} holds one picture: only the first of its {frames.count} {what} was upscaled"
    return AnimationTarget(name, is_stream=False, notes=(note,))


def write_stream(
    stream: BinaryIO,
    larger: Iterator[Frame],
    frames: Frames,
    *,
    name: str,
    encode: Encode,
    encoding: OutputOptions,
) -> tuple[str, ...]:
    """`larger` are `frames` made larger, one by one. What could not be kept.

    `encode` writes a single picture of this format, with all that travels with it.

    Raises:
        ImageTooLarge: the format cannot hold them.
    """
    found: dict[str, None] = {}

    def encode_one(picture: Picture) -> bytes:
        content, notes = encode(_opaque(picture) if frames.has_alpha else picture)
        found.update(dict.fromkeys(notes))
        return content

    if frames.timeline is None:
        pages = PageWriter(stream)
        for frame in larger:
            pages.add(encode_one(frame.picture))
    elif name == "gif":
        comment = frames.first.metadata.comment if encoding.metadata == "keep" else None
        write_gif(stream, larger, frames.timeline, comment)
    elif name == "png":
        write_apng(stream, larger, frames.timeline, encode_one)
    elif name == "webp":
        write_webp(stream, larger, frames.timeline, encode_one)
    else:
        write_avif(stream, larger, frames, encode_one, encoding.quality or FORMATS["avif"].quality)
        if frames.timeline.plays:
            found["avif says nothing of how often it is played: players repeat it"] = None
    return tuple(found)


def _opaque(picture: Picture) -> Picture:
    """With the transparency that the other frames have, though it has none itself."""
    if picture.alpha is not None:
        return picture
    most = np.iinfo(picture.colour.dtype).max
    alpha = np.full(picture.colour.shape[:2], most, picture.colour.dtype)
    return replace(picture, alpha=alpha)
