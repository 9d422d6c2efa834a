"""The frames of a file, one at a time: an animation composed, a TIFF page by page.

All frames are decoded once before any work, which finds out what is wrong with the last of them
before hours are spent on the first; none is kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from upscaled.errors import ImageTooLarge
from upscaled.image.decode import orientation
from upscaled.image.decode.animation_end import has_end
from upscaled.image.decode.decode import (
    MAX_INPUT_PX,
    Expect,
    check_parts,
    decode,
    expect_any,
    explained,
)
from upscaled.image.decode.high_bit_depth import is_tiff
from upscaled.image.decode.motion_photo import has_film
from upscaled.image.decode.planes import checked, planes_of
from upscaled.image.decode.readers import opened
from upscaled.image.metadata import metadata, tiff_pages
from upscaled.image.picture import Picture

_TIMES_ONE = 8
"""All frames together may have so many times the pixels that one picture may have: with 500 MP,
two minutes of full HD at 15 frames a second, or 160 pages of 25 MP."""
_LEAST_FRAME_PX = 64 * 64
"""What a frame costs however small it is."""
_ANIMATED = {"GIF", "PNG", "WEBP", "AVIF", "FLI"}
_MOST_OTHERS = 100
_OF_ONE = {"PSD", "ICO", "ICNS"}
"""What Pillow counts as frames is one picture: its layers, or its sizes."""


@dataclass(frozen=True, slots=True)
class Frame:
    picture: Picture
    repeats: bool = False
    """The same pixels as the frame before it."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """When each frame of an animation is shown."""

    durations_ms: tuple[float, ...]
    plays: int
    """How often in all; 0: for ever."""


@dataclass(frozen=True, slots=True)
class Frames:
    """What a job streams: one picture, the frames of an animation, or pages."""

    first: Picture
    """With all that travels with the file."""
    sizes_px: tuple[tuple[int, int], ...]
    """Width and height of each frame."""
    timeline: Timeline | None = None
    """None: a picture, or pages."""
    has_alpha: bool = False
    """Whether any frame has transparency: then all are written with it."""
    content: bytes = b""
    notes: tuple[str, ...] = ()
    left_out: str = ""
    """What else is in the file, that somebody would miss."""
    px_bytes: tuple[int, ...] = ()
    """Of pages: what a pixel of each takes without compression."""

    @property
    def count(self) -> int:
        return len(self.sizes_px)

    def __iter__(self) -> Iterator[Frame]:
        """Each composed as it is seen, upright.

        Raises:
            JobError: as `decode` says.
        """
        if self.count == 1:
            yield Frame(self.first)
        elif self.timeline is None:
            for page in tiff_pages.pages(self.content):
                yield Frame(decode(page))
        else:
            with explained(self.content):
                for frame, _ in _composed(self.content):
                    yield replace(frame, picture=self._clothed(frame.picture))

    def _clothed(self, bare: Picture) -> Picture:
        """With what belongs to the file."""
        return replace(self.first, colour=bare.colour, alpha=bare.alpha, notes=())


def open_frames(content: bytes, max_px: int = MAX_INPUT_PX, expect: Expect = expect_any) -> Frames:
    """What is in a file's bytes. `expect` is told of each frame before it is decoded.

    Raises:
        TruncatedImage, UnreadableImage, UnsupportedImage: of any frame, as `decode` says.
        ImageTooLarge: a frame of more than `max_px`, or far more in all of them together.
    """
    if is_tiff(content):
        return _pages(content, max_px, expect)
    first = decode(content, max_px, expect)
    notes = first.notes
    with explained(content), opened(content) as image:
        count = getattr(image, "n_frames", 1) - int(getattr(image, "default_image", False))
        if count > 1 and image.format in _ANIMATED:
            _check_total([(image.width, image.height)] * count, max_px * _TIMES_ONE)
            return _animation(first, content, image, max_px, expect)
        left_out = ""
        if count > 1 and image.format not in _OF_ONE:
            notes = (*notes, f"only the first of its {count} pictures was upscaled")
            left_out = _others(image, count)
    if has_film(content):
        notes, left_out = (*notes, "the film behind its picture was left out"), left_out or "a film"
    size = first.width_px, first.height_px
    return Frames(first, (size,), notes=notes, left_out=left_out)


def _others(image: Image.Image, count: int) -> str:
    """Those that are no small copies of the first: previews and gain maps have fewer pixels."""
    least_px = image.width * image.height / 2
    found = 0
    for number in range(1, min(count, _MOST_OTHERS)):
        image.seek(number)
        found += image.width * image.height > least_px
    return f"{found} more picture{'s' if found > 1 else ''}" if found else ""


def _check_total(sizes_px: list[tuple[int, int]], most_px: int) -> None:
    total_px = sum(max(width * height, _LEAST_FRAME_PX) for width, height in sizes_px)
    if total_px > most_px:
        raise ImageTooLarge(
            f"{len(sizes_px):,} frames of {total_px / 1e6:,.0f} MP together are more than "
            f"{most_px / 1e6:,.0f} MP",
            hint="cut it into parts first, or raise `source_limit_mp` of its rule",
        )


def _animation(
    first: Picture, content: bytes, image: Image.Image, max_px: int, expect: Expect
) -> Frames:
    notes: tuple[str, ...] = ()
    if not has_end(content):
        raise EOFError("the end of the animation is missing")
    if getattr(image, "default_image", False):
        notes = ("programs that do not play APNG now see its first frame",)
    plays = _plays(image)
    durations: list[float] = []
    gray, has_alpha = True, False
    frame_px = image.width * image.height
    expect(frame_px)
    for frame, duration_ms in _composed(content, max_px):
        expect(frame_px)
        durations.append(duration_ms)
        colour = frame.picture.colour
        if colour.dtype != first.colour.dtype:
            notes = ("its frames have 16 bits, and were read in 8",)
        has_alpha = has_alpha or frame.picture.alpha is not None
        gray = gray and bool((colour == colour[..., :1]).all())
    size = first.width_px, first.height_px
    if image.format == "WEBP":
        first = replace(first, is_lossless=_is_lossless_webp(content))
    return Frames(
        replace(first, gray=gray),
        (size,) * len(durations),
        Timeline(tuple(durations), plays),
        has_alpha,
        content,
        first.notes + notes,
    )


def _is_lossless_webp(content: bytes) -> bool:
    """Whether its first frame is: all are coded by one program."""
    at = content.find(b"ANMF")
    return content[at + 24 : at + 28] == b"VP8L"


def _plays(image: Image.Image) -> int:
    """GIF says how often it is repeated, or nothing; the others how often it is played."""
    loop = image.info.get("loop")
    if image.format == "GIF":
        return 1 if loop is None else loop + 1 if loop else 0
    return int(loop or 0)


def _composed(content: bytes, max_px: int = MAX_INPUT_PX) -> Iterator[tuple[Frame, float]]:
    """Bare frames, upright, and how long each is shown in milliseconds."""
    with opened(content) as image:
        stored = metadata.read(content, image.info).orientation
        count = getattr(image, "n_frames", 1)
        before: Picture | None = None
        for index in range(int(getattr(image, "default_image", False)), count):
            image.seek(index)
            check_parts(image, max_px)
            planes = checked(planes_of(image))
            picture = Picture(
                orientation.upright(planes.colour, stored),
                None if planes.alpha is None else orientation.upright(planes.alpha, stored),
            )
            duration_ms = max(float(image.info.get("duration") or 0), 0.0)
            yield Frame(picture, repeats=before is not None and _same(before, picture)), duration_ms
            before = picture


def _same(one: Picture, other: Picture) -> bool:
    if (one.alpha is None) != (other.alpha is None):
        return False
    return np.array_equal(one.colour, other.colour) and (
        one.alpha is None or other.alpha is None or np.array_equal(one.alpha, other.alpha)
    )


def _pages(content: bytes, max_px: int, expect: Expect) -> Frames:
    first = decode(content, max_px, expect)
    seen, left_out = tiff_pages.survey(content)
    if len(seen) <= 1:
        return Frames(first, ((first.width_px, first.height_px),), notes=first.notes)
    _check_total(seen, max_px * _TIMES_ONE)
    sizes: list[tuple[int, int]] = []
    px_bytes: list[int] = []
    for page in tiff_pages.pages(content):
        picture = decode(page, max_px, expect)
        if not sizes:
            first = picture
        sizes.append((picture.width_px, picture.height_px))
        channels = (1 if picture.gray else 3) + (picture.alpha is not None)
        px_bytes.append(channels * picture.colour.itemsize)
    notes = (f"{left_out} reduced copies of pages were left out",) if left_out else ()
    return Frames(
        first,
        tuple(sizes),
        content=content,
        notes=first.notes + notes,
        px_bytes=tuple(px_bytes),
    )
