"""One page of a TIFF as a file of its own: pure."""

import math
import struct
from collections.abc import Iterator, Sequence

from upscaled.image.metadata import exif, ifd
from upscaled.image.metadata.ifd import Directory, Layout, TagEntry

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 256, 257, 258, 259, 262, 277
_PLANES, _EXTRA, _FORMAT = 284, 338, 339
_TOGETHER, _BLACK_IS_ZERO = 1, 1
_UNCOMPRESSED = 1
_SUB_DIRECTORIES = 330
_DATA = ((273, 279), (324, 325))
"""Tags of the places and lengths of strips and of tiles."""
_MORE_PLACES = frozenset({288, 289, *range(512, 522)})
"""Free space, and the JPEG of TIFF 6.0, whose tables lie about in the file."""


def alone(content: bytes, at: int, next_at: int) -> bytes:
    """The page whose directory is at `at`, and says at `next_at` where the next one is.

    No more of the file than the page needs, so that all pages together cost no more than the
    file; where that is not plain to see, the whole file with another beginning and no next page.
    """
    try:
        cut = _cut(content, ifd.layout_of(content), at, next_at)
    except (ValueError, struct.error):
        cut = None
    return _whole(content, at, next_at) if cut is None else cut


def _cut(content: bytes, layout: Layout, at: int, next_at: int) -> bytes | None:
    directory, _ = layout.read(content, at)
    parts = _parts(content, layout, directory)
    is_whole = len(directory) == layout.entries(at, next_at)
    if parts is None or not is_whole or directory.keys() & _MORE_PLACES:
        return None
    directory.pop(_SUB_DIRECTORIES, None)
    return _file(content, layout, directory, parts)


def channels(content: bytes, at: int) -> Iterator[bytes]:
    """Each channel of a page that stores them apart, as a gray file of its own.

    Raises:
        ValueError: where they lie is not plain to see.
    """
    layout = ifd.layout_of(content)
    directory, _ = layout.read(content, at)
    parts = _parts(content, layout, directory)
    count = layout.number(directory.get(_SAMPLES), 1)
    if parts is None or not count or len(parts[1]) % count:
        raise ValueError("its channels cannot be told apart")
    tags, ranges = parts
    each = len(ranges) // count
    own = {
        tag: directory[tag]
        for tag in directory.keys() & exif.LAYOUT_TAGS - {_EXTRA, _SUB_DIRECTORIES}
    }
    for tag, value in ((_SAMPLES, 1), (_PLANES, _TOGETHER), (_PHOTOMETRIC, _BLACK_IS_ZERO)):
        own[tag] = layout.short(value)
    for tag in own.keys() & {_BITS, _FORMAT}:
        own[tag] = layout.short(layout.number(own[tag]))
    for first in range(0, len(ranges), each):
        yield _file(content, layout, own, (tags, ranges[first : first + each]))


_Parts = tuple[tuple[int, int], Sequence[tuple[int, int]]]


def _file(content: bytes, layout: Layout, directory: Directory, parts: _Parts) -> bytes:
    tags, ranges = parts
    made = bytearray(layout.header())
    places = []
    for start, size in ranges:
        made += bytes(-len(made) % 16)
        places.append(len(made))
        made += content[start : start + size]
    directory = dict(directory)
    form, kind = ("Q", ifd.LONG8) if layout.is_big else ("I", ifd.LONG)
    for tag, numbers in zip(tags, (places, [size for _, size in ranges]), strict=True):
        packed = struct.pack(f"{layout.order}{len(numbers)}{form}", *numbers)
        directory[tag] = TagEntry(kind, len(numbers), packed)
    for below in (exif.EXIF_IFD, exif.GPS_IFD):
        if below in directory:
            directory[below] = layout.pointer(
                exif.moved(content, layout, directory[below], made, layout)
            )
    return exif.pointed(made, layout, layout.append(made, directory))


def _parts(content: bytes, layout: Layout, directory: Directory) -> _Parts | None:
    """The tags of places and lengths of strips or tiles, and where each lies; None: doubtful."""
    found = [(starts, sizes) for starts, sizes in _DATA if starts in directory]
    if len(found) != 1:
        return None
    starts, sizes = (layout.numbers(directory.get(tag)) for tag in found[0])
    ranges = list(zip(starts, sizes, strict=False))
    stored = sum(sizes)
    is_plain = (
        len(starts) == len(sizes) > 0
        and min(sizes) > 0
        # Else a decoder may know better: it reads on behind a strip that is said to be short,
        # and tells a file that was cut off from a damaged one.
        and all(start + size <= len(content) for start, size in ranges)
        and _least_bytes(layout, directory) <= stored <= len(content)
    )
    return (found[0], ranges) if is_plain else None


def _least_bytes(layout: Layout, directory: Directory) -> int:
    """That its pixels take without compression; 0: it has one."""
    if layout.number(directory.get(_COMPRESSION), _UNCOMPRESSED) != _UNCOMPRESSED:
        return 0
    bits = layout.number(directory.get(_BITS), 1) * layout.number(directory.get(_SAMPLES), 1)
    across, down = (layout.number(directory.get(tag)) for tag in (_WIDTH, _HEIGHT))
    return math.ceil(across * bits / 8) * down


def _whole(content: bytes, at: int, next_at: int) -> bytes:
    layout = ifd.layout_of(content)
    made = bytearray(content)
    struct.pack_into(layout.offset, made, layout.first_at, at)
    struct.pack_into(layout.offset, made, next_at, 0)
    return bytes(made)
