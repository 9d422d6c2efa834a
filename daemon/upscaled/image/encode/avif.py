"""Animated AVIF: libavif, by way of Pillow, holds what is coded; pictures come one by one."""

import io
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image

from upscaled.image.decode.frames import Frame, Frames
from upscaled.image.encode.apng import EncodeOne
from upscaled.image.encode.frame_diff import rgba
from upscaled.image.encode.webp import durations_ms

_METADATA = ("icc_profile", "exif", "xmp")


def write_avif(
    stream: BinaryIO,
    larger: Iterator[Frame],
    frames: Frames,
    encode_one: EncodeOne,
    quality: int | None,
) -> None:
    """Any number of frames of one size; what plays AVIF repeats it for ever."""
    if frames.timeline is None:
        raise ValueError("pages are not an animation")
    first = next(larger)
    with Image.open(io.BytesIO(encode_one(first.picture))) as still:
        options = {key: still.info[key] for key in _METADATA if still.info.get(key)}
    film = _Film(first, larger, frames)
    durations = list(durations_ms(frames.timeline.durations_ms))
    film.save(stream, "AVIF", save_all=True, duration=durations, quality=quality, **options)


class _Film(Image.Image):
    """An image whose next frame is made when Pillow seeks it: all that it does is one by one."""

    is_animated = True

    def __init__(self, first: Frame, larger: Iterator[Frame], frames: Frames) -> None:
        super().__init__()
        self.n_frames = frames.count
        self._larger = larger
        self._has_alpha = frames.has_alpha
        self._at = 0
        self._show(first)

    def _show(self, frame: Frame) -> None:
        samples = rgba(frame.picture, bits=8)
        image = Image.fromarray(samples if self._has_alpha else samples[..., :3].copy())
        self.im, self._mode, self._size = image.im, image.mode, image.size

    def seek(self, frame: int) -> None:
        """To the next; where it is asked to go back, it stays.

        Raises:
            EOFError: it was the last.
        """
        if frame >= self.n_frames:
            raise EOFError
        if frame == self._at + 1:
            self._show(next(self._larger))
            self._at = frame

    def tell(self) -> int:
        return self._at
